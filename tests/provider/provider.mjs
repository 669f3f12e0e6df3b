// An OpenID Connect provider for tests: `node provider.mjs` prints its port. Anybody signs in by an account's name,
// with any password. POST /test changes how it behaves: see `state`.
import { createServer } from "node:http";
import { generateKeyPairSync, createHmac, randomUUID } from "node:crypto";
import Provider from "oidc-provider";
import { SignJWT, importJWK } from "jose";

const realNow = Date.now;
const state = {
  accounts: {}, // name: { groups, sectors, … }, what it tells of a person
  clock_s: 0, // how far this provider's clock is off
  delay_ms: 0, // before each answer to a path in `delayed`
  delayed: [],
  forge: null, // what is wrong with the next ID tokens
  redirect_uri: "http://127.0.0.1:8700/api/v1/oidc/callback",
  in_id_token: true, // tell everything in the ID token, not only at the user-info endpoint
};
Date.now = () => realNow() + state.clock_s * 1000;

let keys = [newKey()];
let provider;
let issuer;

function newKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), alg: "RS256", use: "sig" };
}

function make() {
  provider = new Provider(issuer, {
    clients: [
      {
        client_id: "citywatch",
        client_secret: "a secret of citywatch and its provider",
        redirect_uris: [state.redirect_uri],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    jwks: { keys },
    cookies: { keys: ["test"] },
    conformIdTokenClaims: !state.in_id_token,
    claims: { openid: ["sub"], profile: ["preferred_username", "groups", "sectors"], email: ["email"] },
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    ttl: { IdToken: 600 },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, preferred_username: sub, ...state.accounts[sub] }),
    }),
  });
  provider.use(async (ctx, next) => {
    await next();
    if (state.forge && ctx.oidc?.route === "token" && ctx.body?.id_token) {
      ctx.body.id_token = await forged(ctx.body.id_token);
    }
  });
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const part = (token, n) => JSON.parse(Buffer.from(token.split(".")[n], "base64url"));

async function forged(token) {
  const claims = part(token, 1);
  const header = part(token, 0);
  const sign = async (changed, key = keys[0]) =>
    new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: "RS256", kid: keys[0].kid }).sign(await importJWK(key, "RS256"));
  switch (state.forge) {
    case "none":
      return `${encode({ ...header, alg: "none" })}.${encode(claims)}.`;
    case "hs256": {
      const { n, e, kty } = keys[0];
      const body = `${encode({ ...header, alg: "HS256" })}.${encode(claims)}`;
      return `${body}.${createHmac("sha256", JSON.stringify({ e, kty, n })).update(body).digest("base64url")}`;
    }
    case "client_secret": {
      const body = `${encode({ alg: "HS256" })}.${encode(claims)}`;
      return `${body}.${createHmac("sha256", "a secret of citywatch and its provider").update(body).digest("base64url")}`;
    }
    case "other_key":
      return sign({}, newKey());
    case "edited":
      return [token.split(".")[0], encode({ ...claims, groups: ["chiefs"] }), token.split(".")[2]].join(".");
    case "issuer":
      return sign({ iss: "https://elsewhere.example" });
    case "audience":
      return sign({ aud: "another-client" });
    case "also_for_another":
      return sign({ aud: ["citywatch", "another-client"] });
    case "expired":
      return sign({ iat: claims.iat - 7200, exp: claims.iat - 3600 });
    case "nonce":
      return sign({ nonce: "another" });
    case "no_nonce":
      return sign({ nonce: undefined });
    case "no_subject":
      return sign({ sub: undefined });
    case "no_expiry":
      return sign({ exp: undefined });
    case "not_a_token":
      return "not.a.token";
    default:
      return sign(state.forge); // claims to change
  }
}

const server = createServer(async (request, response) => {
  const path = request.url.split("?")[0];
  if (path === "/test") {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { rotate, ...changed } = JSON.parse(Buffer.concat(chunks).toString());
    Object.assign(state, changed);
    if (rotate) keys = [newKey()];
    make();
    response.end("{}");
    return;
  }
  if (state.delay_ms && state.delayed.includes(path)) {
    await new Promise((resolve) => setTimeout(resolve, state.delay_ms));
  }
  provider.callback()(request, response);
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  make();
  console.log(server.address().port);
});
process.stdin.on("end", () => process.exit(0)).resume(); // the test is over
