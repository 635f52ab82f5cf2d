// The running product (its environment comes from run.py), the example operations, and a line to it that can be cut.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import net from "node:net";

export const { CUEPOINT_URL: URL_, CUEPOINT_TOKEN: TOKEN, CUEPOINT_HOME, PROJECT_ID, VIDEO_ID, SAMPLE } = process.env;
assert(URL_ && TOKEN, "start these tests by `make test-clients`");

const ROOT = new URL("../../", import.meta.url);
export const FINAL = ["SUCCEEDED", "FAILED", "CANCELLED"];

/** Text of a file of the repository. */
export const read = (path) => readFile(new URL(path, ROOT), "utf8");

/** Text of an example operation. */
export const operation = (name) => read(`frontend-schema/operations/${name}.graphql`);

/** Carry out an example operation without any client; its root field. */
export async function call(name, variables) {
  const response = await fetch(`${URL_}/graphql`, {
    method: "POST",
    headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ query: await operation(name), variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  const [field] = Object.values(data);
  assert.deepEqual(field.errors ?? [], []);
  return field;
}

/** Start the moments of the sample anew; the job. Wishes differ from call to call, so that none joins another. */
export async function startJob(minDuration) {
  return (await call("GenerateMoments", { input: { videoId: VIDEO_ID, minDuration } })).job;
}

/** The job once it is over. */
export async function finished(id) {
  for (;;) {
    const job = await call("Job", { id });
    if (FINAL.includes(job.status)) return job;
    await new Promise((wait) => setTimeout(wait, 50));
  }
}

/** Kill the API process; the product starts another one at the same address. It is killed again each time. */
export async function killApi() {
  const { pids } = JSON.parse(await readFile(`${CUEPOINT_HOME}/run/stack.json`, "utf8"));
  process.kill(pids.api, "SIGKILL");
}

/**
 * A TCP line to the product. `cut` breaks what is connected and refuses what comes, until `mend`; `freeze` lets nothing
 * more through what is connected, and tells nobody: what a sleeping machine comes back to.
 */
export async function openLine() {
  const { hostname, port } = new URL(URL_);
  const sockets = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    if (isCut) return near.destroy();
    const far = net.connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on("error", () => other.destroy()).on("close", () => sockets.delete(one)).pipe(other);
    }
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const breakAll = () => sockets.forEach((socket) => socket.destroy());
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => { isCut = true; breakAll(); },
    freeze: () => sockets.forEach((socket) => socket.unpipe().pause()),
    mend: () => { isCut = false; },
    close: () => { server.close(); breakAll(); },
  };
}
