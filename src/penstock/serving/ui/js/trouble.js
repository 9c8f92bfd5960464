// Shows errors of the server, and retries until it answers.

import { Unreachable, ErrorResponse, alive, useToken } from "./server.js";

const AGAIN_MS = 2000;

export class Trouble {
  #notice;
  #form;
  #over;
  #gone = false;

  /** @param form for a token, shown if the server requires one; `over` is called when a request may succeed again */
  constructor(notice, form, over) {
    [this.#notice, this.#form, this.#over] = [notice, form, over];
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      useToken(form.elements.token.value);
      form.hidden = true;
      over();
    });
  }

  /** Shows an error of the server; any other error is a bug of this page and is thrown again. */
  report(error) {
    if (error instanceof Unreachable) return this.#wait();
    if (!(error instanceof ErrorResponse)) throw error;
    if (error.status === 401) return (this.#form.hidden = false);
    const busy = "The server is overloaded; your next change sends a new request.";
    this.#say(error.status === 503 ? busy : `The server says: ${error.message}`);
  }

  /** Hides the error after a successful request. */
  past() {
    if (!this.#gone) this.#notice.hidden = true;
  }

  async #wait() {
    if (this.#gone) return;
    this.#gone = true;
    this.#say("The server does not answer. This page retries every two seconds.");
    do await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    while (!(await alive()));
    this.#gone = false;
    this.past();
    this.#over();
  }

  #say(message) {
    this.#notice.textContent = message;
    this.#notice.hidden = false;
  }
}
