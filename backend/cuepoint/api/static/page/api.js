// The public GraphQL API as the page uses it: JSON by POST, live answers as server-sent events; the cookie signs.

export class ApiError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

const ENDPOINT = new URL("../graphql", import.meta.url);
const SESSION = new URL("session", import.meta.url);
const HEADERS = { "Content-Type": "application/json" };

/** `data` of a query or mutation. Throws ApiError with the first error's code. */
export async function ask(query, variables = {}) {
  const response = await fetch(ENDPOINT, {
    method: "POST",
    headers: { ...HEADERS, Accept: "application/graphql-response+json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors?.length) throw new ApiError(errors[0].message, errors[0].extensions?.code);
  return data;
}

/** Every answer of a subscription, until it ends or `signal` stops it. */
export async function* watch(query, variables, signal) {
  const response = await fetch(ENDPOINT, {
    method: "POST",
    headers: { ...HEADERS, Accept: "text/event-stream" },
    body: JSON.stringify({ query, variables }),
    signal,
  });
  let rest = "";
  for await (const piece of pieces(response.body.pipeThrough(new TextDecoderStream()))) {
    const events = (rest + piece).split(/\r?\n\r?\n/);
    rest = events.pop();
    for (const event of events) {
      const lines = event.split(/\r?\n/);
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (!data || data === "null") continue;
      const body = JSON.parse(data);
      if (body.errors?.length) throw new ApiError(body.errors[0].message, body.errors[0].extensions?.code);
      if (body.data) yield body.data;
    }
  }
}

async function* pieces(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** This browser is signed in; the cookie is not ours to read. Throws ApiError for a code that is used or too old. */
export async function signIn(credential) {
  const response = await fetch(SESSION, { method: "POST", headers: HEADERS, body: JSON.stringify(credential) });
  const body = await response.json();
  if (response.ok) return body;
  throw new ApiError(body.errors[0].message, body.errors[0].extensions?.code);
}

/** Whom the code would sign in, and who is signed in now; nobody is null. Nothing changes. */
export const whoWouldBe = (credential) => signIn({ ...credential, dryRun: true });

export const signOut = () => fetch(SESSION, { method: "DELETE" });
