// TimescaleDB in process: PostgreSQL in WebAssembly behind a socket on a port of 127.0.0.1 that the system chooses.
// Every database name is an instance of its own, made when it is first asked for and dropped by the line `drop <name>`
// on standard input. An instance serves one client after another, each from a clean session; the next waits. COPY is
// not served. Prints the port on a line of its own when it takes connections; ends with its standard input.
import net from "node:net";
import readline from "node:readline";
import { PGlite } from "@electric-sql/pglite";
import { timescaledb } from "@electric-sql/pglite/timescaledb";

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const TERMINATE = "X".charCodeAt(0);
const NOT_SETTINGS = ["user", "database", "client_encoding", "options", "replication"];

const extensions = { timescaledb };
const first = await PGlite.create({ extensions });
const empty = await first.dumpDataDir("none");
await first.close();

const instances = new Map();

/** A new database; the extension is created here because nothing preloads it (and it loads all its parts only then). */
async function create() {
  const database = await PGlite.create({ extensions, loadDataDir: empty });
  await database.exec("CREATE EXTENSION timescaledb");
  return database;
}

/** The instance of this name and the end of its queue of clients. */
function instance(name) {
  if (!instances.has(name)) {
    instances.set(name, { database: create(), turn: Promise.resolve() });
  }
  return instances.get(name);
}

/** The complete typed messages at the head of `buffer`, and what is left of it. */
function split(buffer) {
  const messages = [];
  let at = 0;
  while (buffer.length - at >= 5 && buffer.length - at >= 1 + buffer.readInt32BE(at + 1)) {
    const end = at + 1 + buffer.readInt32BE(at + 1);
    messages.push(buffer.subarray(at, end));
    at = end;
  }
  return [messages, buffer.subarray(at)];
}

/** The startup message's parameters. */
function parameters(startup) {
  const words = startup.subarray(8).toString().split("\0");
  return new Map(words.flatMap((word, i) => (i % 2 === 0 && word !== "" ? [[word, words[i + 1]]] : [])));
}

/** What a session of a server would begin with, and go back to on RESET ALL. */
function settings(startup) {
  const asked = [...parameters(startup)].filter(([name]) => !NOT_SETTINGS.includes(name));
  const all = [["search_path", "public"], ...asked];
  return all.map(([name, value]) => `SET ${name} = '${value.replaceAll("'", "''")}';`).join("\n");
}

async function serve(database, startup, rest, chunks, socket) {
  socket.write(await database.execProtocolRaw(startup));
  await database.exec(settings(startup));
  let pending = rest;
  for (;;) {
    const [messages, left] = split(pending);
    const last = messages.findIndex((message) => message[0] === TERMINATE);
    const batch = Buffer.concat(last < 0 ? messages : messages.slice(0, last));
    if (batch.length > 0) {
      const answer = await database.execProtocolRaw(batch);
      if (batch.includes("RESET ALL")) await database.exec(settings(startup));
      socket.write(answer);
    }
    if (last >= 0) return;
    const { value, done } = await chunks.next();
    if (done) return;
    pending = Buffer.concat([left, value]);
  }
}

async function client(socket) {
  const chunks = socket[Symbol.asyncIterator]();
  let pending = Buffer.alloc(0);
  for (;;) {
    const { value, done } = await chunks.next();
    if (done) return;
    pending = Buffer.concat([pending, value]);
    if (pending.length < 8 || pending.length < pending.readInt32BE(0)) continue;
    const code = pending.readInt32BE(4);
    if (code !== SSL_REQUEST && code !== GSS_REQUEST) break;
    socket.write("N");
    pending = pending.subarray(8);
  }
  const length = pending.readInt32BE(0);
  const startup = pending.subarray(0, length);
  const mine = instance(parameters(startup).get("database"));
  mine.turn = mine.turn.then(async () => {
    const database = await mine.database;
    try {
      await serve(database, startup, pending.subarray(length), chunks, socket);
    } catch (error) {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") console.error(error);
    } finally {
      socket.end();
      await database.exec("ROLLBACK");
      await database.exec("DISCARD ALL");
    }
  });
}

const server = net.createServer((socket) => {
  socket.on("error", () => {});
  client(socket).catch((error) => {
    if (error.code !== "ECONNRESET") console.error(error);
    socket.destroy();
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));

const commands = readline.createInterface({ input: process.stdin });
commands.on("line", (line) => {
  const [verb, name] = line.split(" ");
  if (verb !== "drop" || !instances.has(name)) return;
  const { database, turn } = instances.get(name);
  instances.delete(name);
  turn.then(async () => (await database).close());
});
commands.on("close", () => process.exit(0));
