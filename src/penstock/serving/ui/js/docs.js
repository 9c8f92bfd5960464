// The API viewer: Swagger UI shows the server's OpenAPI document, with the token and theme of the page.

import { token } from "./server.js";

const root = document.documentElement;
const showTheme = () => root.classList.toggle("dark-mode", root.dataset.theme === "dark");
document.addEventListener("theme", showTheme);
showTheme();

window.SwaggerUIBundle({
  url: "openapi.json",
  domNode: document.getElementById("api"),
  validatorUrl: null, // it would send the document to swagger.io
  requestInterceptor: (request) => {
    if (token()) request.headers.Authorization ??= `Bearer ${token()}`;
    return request;
  },
});
