// TimescaleDB in process: PostgreSQL in WebAssembly behind a socket on a port of 127.0.0.1 that the system chooses.
// One session serves one client after another, each starting from a clean session; the next waits. COPY is not served.
// Prints the port on a line of its own when it takes connections; ends with its standard input.
import net from "node:net";
import { PGlite } from "@electric-sql/pglite";
import { timescaledb } from "@electric-sql/pglite/timescaledb";

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const TERMINATE = "X".charCodeAt(0);

const database = await PGlite.create({ extensions: { timescaledb } });
await database.exec("CREATE EXTENSION timescaledb"); // it is linked in, so nothing preloads it
let turn = Promise.resolve();

/** The complete messages at the head of `buffer`: [startup or typed message, …, rest]. */
function* messages(buffer, started) {
  let at = 0;
  while (buffer.length - at >= (started ? 5 : 4)) {
    const length = started ? 1 + buffer.readInt32BE(at + 1) : buffer.readInt32BE(at);
    if (buffer.length - at < length) break;
    yield buffer.subarray(at, at + length);
    at += length;
    started = true;
  }
  return buffer.subarray(at);
}

/** Startup parameters that are settings of the session, as SET statements. */
function settings(startup) {
  const words = startup.subarray(8).toString().split("\0");
  const statements = [];
  for (let i = 0; i + 1 < words.length; i += 2) {
    if (!["user", "database", "client_encoding", "options", "replication", ""].includes(words[i])) {
      statements.push(`SET "${words[i]}" = '${words[i + 1].replaceAll("'", "''")}';`);
    }
  }
  return statements.join("\n");
}

async function serve(socket) {
  let pending = Buffer.alloc(0);
  let started = false;
  for await (const chunk of socket) {
    pending = Buffer.concat([pending, chunk]);
    const found = messages(pending, started);
    const batch = [];
    let step = found.next();
    for (; !step.done; step = found.next()) {
      const message = step.value;
      if (!started) {
        const code = message.readInt32BE(4);
        if (code === SSL_REQUEST || code === GSS_REQUEST) {
          socket.write("N");
          pending = pending.subarray(message.length);
          break;
        }
        started = true;
        const answer = await database.execProtocolRaw(message);
        await database.exec(settings(message));
        socket.write(answer);
      } else if (message[0] === TERMINATE) {
        return;
      } else {
        batch.push(message);
      }
    }
    if (step.done) pending = step.value;
    if (batch.length > 0) socket.write(await database.execProtocolRaw(Buffer.concat(batch)));
  }
}

async function client(socket) {
  try {
    await serve(socket);
  } catch (error) {
    if (error.code !== "ECONNRESET" && error.code !== "EPIPE") console.error(error);
  } finally {
    socket.end();
    await database.exec("ROLLBACK");
    await database.exec("DISCARD ALL");
    await database.exec("SET search_path = public"); // its default is another
  }
}

const server = net.createServer((socket) => {
  socket.on("error", () => {});
  turn = turn.then(() => client(socket));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
