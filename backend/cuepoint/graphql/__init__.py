"""What all resolvers share: context, loaders, errors, connections, scalars and limits."""
