// Starts GraphiQL on this server: its example operations as tabs, and the token from the header editor. A token that
// was entered in one tab serves the others too, as long as the browser tab lives. For subscriptions the fetcher puts
// the headers into the payload of connection_init.
(async () => {
  const KEY = 'cuepoint.authorization';
  const isFilledIn = (value) => /^Bearer\s+\S/i.test(value ?? '');

  const withToken = (headers = {}) => {
    const name = Object.keys(headers).find((one) => one.toLowerCase() === 'authorization');
    const given = name && headers[name];
    if (isFilledIn(given)) {
      sessionStorage.setItem(KEY, given);
      return headers;
    }
    const kept = sessionStorage.getItem(KEY);
    return kept && name ? { ...headers, [name]: kept } : headers;
  };

  const url = new URL('graphql', location.href.split(/[?#]/)[0]).href;
  const fetchOperation = GraphiQL.createFetcher({ url, subscriptionUrl: url.replace(/^http/, 'ws') });
  const fetcher = (operation, options) =>
    fetchOperation(operation, { ...options, headers: withToken(options?.headers) });

  const headers = JSON.stringify({ Authorization: 'Bearer ' }, null, 2);
  const answer = await fetch('graphiql/examples.json');
  const examples = answer.ok ? await answer.json() : [];
  const page = React.createElement(GraphiQL, {
    fetcher,
    plugins: [GraphiQLPluginExplorer.explorerPlugin()], // click a query together
    defaultHeaders: headers,
    defaultTabs: examples.map((example) => ({ headers, ...example })),
    defaultEditorToolsVisibility: 'headers',
    shouldPersistHeaders: false,
  });
  ReactDOM.createRoot(document.getElementById('graphiql')).render(page);
})();
