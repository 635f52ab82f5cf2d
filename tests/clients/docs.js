// The JavaScript of docs/clients.md as a module: the tests run what the page shows.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";

import { read } from "./product.js";

/** The blocks under "Apollo Client", for the given server: exports `client`, `socket`, `watchJob`, `watchVideo`. */
export function apolloOfTheDocs(url, token) {
  const parts = ["const client = new ApolloClient(", "async function* watchJob(", "async function* watchVideo("];
  return moduleOf("apollo.js", parts, { ...placeOf(url, token), "10_000": 200, "5_000": 200 });
}

/** The block under "Plain fetch": exports `ask` and `listen`. */
export function fetchOfTheDocs(url, token) {
  return moduleOf("fetch.js", ["async function* listen("], placeOf(url, token));
}

const placeOf = (url, token) => ({ '"http://127.0.0.1:8000"': url, '"…"': token });

async function moduleOf(name, parts, settings) {
  const page = await read("docs/clients.md");
  const blocks = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  const shown = parts.map((part) => {
    const wanted = `export ${part}`;
    const found = blocks.filter((code) => code.includes(wanted));
    assert.equal(found.length, 1, `docs/clients.md shows \`${wanted}\` once`);
    return found[0];
  });
  let code = shown.join("\n");
  for (const [written, value] of Object.entries(settings)) {
    assert(code.includes(written), `docs/clients.md has ${written} where a reader puts their own`);
    code = code.replace(written, JSON.stringify(value));
  }
  const folder = new URL("build/", import.meta.url); // beside node_modules, where its imports are found
  await mkdir(folder, { recursive: true });
  const file = new URL(name, folder);
  await writeFile(file, code);
  return import(file);
}
