"""The web process: GraphQL, uploads, media, health."""
