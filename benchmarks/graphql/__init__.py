"""What the GraphQL API costs: CPU a request and a delivery, against a hand-written floor and a plain server."""
