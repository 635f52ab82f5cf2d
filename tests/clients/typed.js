// What frontend-schema/codegen.json asks for, generated, and frontend-schema/example compiled against it.
import { spawnSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { codegen } from "@graphql-codegen/core";
import * as documentNode from "@graphql-codegen/typed-document-node";
import * as operations from "@graphql-codegen/typescript-operations";
import { parse } from "graphql";

const SOURCE = new URL("../../frontend-schema/", import.meta.url);
const BUILD = new URL("build/typed/", import.meta.url); // beside node_modules, where its imports are found
const PLUGINS = { "typescript-operations": operations, "typed-document-node": documentNode };

const text = (path) => readFile(new URL(path, SOURCE), "utf8");

/** The texts that codegen.json generates, by file. */
export async function generated() {
  const asked = JSON.parse(await text("codegen.json"));
  const names = (await readdir(new URL("operations/", SOURCE))).filter((name) => name.endsWith(".graphql")).sort();
  const documents = await Promise.all(
    names.map(async (name) => ({ location: name, document: parse(await text(`operations/${name}`)) })),
  );
  const schema = parse(await text(asked.schema));
  const files = {};
  for (const [filename, { plugins, config }] of Object.entries(asked.generates)) {
    files[filename] = await codegen({
      filename,
      schema,
      documents,
      config,
      plugins: plugins.map((name) => ({ [name]: {} })),
      pluginMap: PLUGINS,
    });
  }
  return files;
}

/** Generate and compile; the compiler's complaints, and the module of the compiled client if there are none. */
export async function compiled() {
  await rm(BUILD, { recursive: true, force: true });
  await mkdir(new URL("example/", BUILD), { recursive: true });
  for (const name of await readdir(new URL("example/", SOURCE))) {
    await cp(new URL(`example/${name}`, SOURCE), new URL(`example/${name}`, BUILD));
  }
  await cp(new URL("possibleTypes.json", SOURCE), new URL("possibleTypes.json", BUILD));
  await writeFile(new URL("package.json", BUILD), '{ "type": "module" }');
  for (const [name, code] of Object.entries(await generated())) await writeFile(new URL(name, BUILD), code);
  const tsc = fileURLToPath(new URL("node_modules/.bin/tsc", import.meta.url));
  const project = fileURLToPath(new URL("example/tsconfig.json", BUILD));
  const { stdout } = spawnSync(tsc, ["--project", project, "--outDir", fileURLToPath(BUILD)], { encoding: "utf8" });
  return { complaints: stdout.trim(), client: new URL("example/client.js", BUILD).href };
}
