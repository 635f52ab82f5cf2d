// graphql-eslint and graphql-inspector on the schema and the operations.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { CriticalityLevel, diff, validate } from "@graphql-inspector/core";
import { ESLint } from "eslint";
import { buildSchema, Source } from "graphql";

const FOLDER = new URL("../../frontend-schema/", import.meta.url);
const text = (path) => readFile(new URL(path, FOLDER), "utf8");
const names = (await readdir(new URL("operations/", FOLDER))).filter((name) => name.endsWith(".graphql"));

/** What the rules find, as lines. */
async function complaints(pattern) {
  const eslint = new ESLint({
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    overrideConfigFile: fileURLToPath(new URL("eslint.config.js", import.meta.url)),
  });
  const results = await eslint.lintFiles([pattern]);
  return results.flatMap(({ filePath, messages }) =>
    messages.map(({ ruleId, line, message }) => `${filePath.split("/").at(-1)}:${line} ${ruleId}: ${message}`),
  );
}

describe("graphql-eslint", { timeout: 120_000 }, () => {
  test("has nothing to say of the schema", async () =>
    assert.deepEqual(await complaints("frontend-schema/schema.graphql"), []));
  test("has nothing to say of the operations", async () =>
    assert.deepEqual(await complaints("frontend-schema/operations/*.graphql"), []));
});

describe("graphql-inspector", { timeout: 120_000 }, () => {
  test("finds every operation valid and nothing deprecated in it", async () => {
    const documents = await Promise.all(names.map(async (name) => new Source(await text(`operations/${name}`), name)));

    const found = validate(buildSchema(await text("schema.graphql")), documents, { strictDeprecated: true });

    assert.deepEqual(found.filter(({ errors, deprecated }) => errors.length + deprecated.length > 0), []);
  });

  test("finds nothing broken since the last release", async () => {
    const [before, after] = await Promise.all(["released.graphql", "schema.graphql"].map(text));

    const changes = await diff(buildSchema(before), buildSchema(after));

    const breaking = changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking);
    assert.deepEqual(breaking.map(({ message }) => message), []);
  });
});
