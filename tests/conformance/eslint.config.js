// Rules for the schema and the operations beside it: graphql-eslint's recommended ones, but for those below.
import graphql from "@graphql-eslint/eslint-plugin";

const SCHEMA = "../../frontend-schema/schema.graphql";
const OPERATIONS = "../../frontend-schema/operations/*.graphql";
const languageOptions = {
  parser: graphql.parser,
  parserOptions: { graphQLConfig: { schema: SCHEMA, documents: OPERATIONS } },
};

/** Rules that are off, each with its reason. */
export const OFF = {
  schema: {
    "strict-id-in-types": "edges, payloads, ranges and tracks are parts of a thing and not things: nothing refetches them",
    "no-typename-prefix": "`Queue.queued` is the number of jobs that are QUEUED, not a repetition of the type",
  },
  operations: {},
};

const off = (rules) => Object.fromEntries(Object.keys(rules).map((name) => [`@graphql-eslint/${name}`, "off"]));

export default [
  {
    files: ["**/schema.graphql"],
    plugins: { "@graphql-eslint": graphql },
    languageOptions,
    rules: { ...graphql.configs["flat/schema-recommended"].rules, ...off(OFF.schema) },
  },
  {
    files: ["**/operations/*.graphql"],
    plugins: { "@graphql-eslint": graphql },
    languageOptions,
    rules: { ...graphql.configs["flat/operations-recommended"].rules, ...off(OFF.operations) },
  },
];
