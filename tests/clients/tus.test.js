// tus-js-client: an upload in pieces that stops in the middle and goes on at the offset that the server confirmed.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";

import * as tus from "tus-js-client";

import { call, PROJECT_ID, SAMPLE, TOKEN, URL_ } from "./product.js";

const LIMIT = { timeout: 60_000 };
const CHUNK = 256 * 1024;
const headers = { Authorization: `Bearer ${TOKEN}` };
let bytes;

/** Send the file, `stop` after that many confirmed bytes; the requests that it took. */
function send(file, target, stop = Infinity) {
  const requests = [];
  return new Promise((over, onError) => {
    const upload = new tus.Upload(file, {
      ...target,
      headers,
      chunkSize: CHUNK,
      retryDelays: null,
      onBeforeRequest: (request) =>
        void requests.push([request.getMethod(), Number(request.getHeader("Upload-Offset") ?? -1)]),
      onChunkComplete: (_size, confirmed) => {
        if (confirmed >= stop) upload.abort().then(() => over({ url: upload.url, requests }), onError);
      },
      onError,
      onSuccess: () => over({ url: upload.url, requests }),
    });
    upload.start();
  });
}

/** Register the upload; the bytes that the video's signed URL gives. */
async function videoOf(uploadId) {
  const { video } = await call("RegisterVideo", { input: { uploadId, autoStart: false } });
  const { url } = await call("Video", { id: video.id });
  return Buffer.from(await (await fetch(url)).arrayBuffer());
}

before(async () => {
  // The sample with a `free` box of random bytes behind it: an MP4 file that this product has never seen.
  const box = Buffer.concat([Buffer.from([0, 0, 1, 8]), Buffer.from("free"), randomBytes(256)]);
  bytes = Buffer.concat([await readFile(SAMPLE), box]);
});

describe("an upload of createUpload", LIMIT, () => {
  test("stops in the middle, goes on where it was, and becomes the same bytes", async () => {
    const input = { projectId: PROJECT_ID, filename: "piecewise.mp4", sizeBytes: bytes.length };
    const { upload } = await call("CreateUpload", { input });

    const first = await send(bytes, { uploadUrl: upload.url }, 3 * CHUNK);
    const second = await send(bytes, { uploadUrl: upload.url });

    const pieces = Array.from({ length: Math.ceil(bytes.length / CHUNK) }, (_, index) => ["PATCH", index * CHUNK]);
    assert.deepEqual(first.requests, [["HEAD", -1], ...pieces.slice(0, 3)]);
    assert.deepEqual(second.requests, [["HEAD", -1], ...pieces.slice(3)]);
    assert((await videoOf(upload.id)).equals(bytes));
  });
});

describe("an upload that tus creates", LIMIT, () => {
  test("carries its project and name as metadata", async () => {
    const metadata = { projectId: PROJECT_ID, filename: "Größe „eins“.mp4" };

    const { url } = await send(bytes, { endpoint: `${URL_}/uploads`, metadata });
    const { video } = await call("RegisterVideo", { input: { uploadId: url.split("/").at(-1), autoStart: false } });

    assert.equal(video.title, metadata.filename);
  });
});
