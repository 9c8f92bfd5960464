"""The document of all that the server answers over HTTP: GET /openapi.json, for programs; /docs shows it to people."""
