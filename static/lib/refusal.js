/** What a request may come back with instead of a yes: a code, never a sentence. */

export class Refusal extends Error {
  /**
   * @param {string} code  one of the protocol's error codes, or `lost` (no answer), or `unreachable`
   * @param {{temporary?: boolean, retryAfter?: number, status?: number, reply?: Record<string, any>}} [more]
   *   `retryAfter` in seconds; `status` of HTTP; `reply` is the whole answer
   */
  constructor(code, { temporary = false, retryAfter, status, reply = {} } = {}) {
    super(code);
    this.name = "Refusal";
    this.code = code;
    this.temporary = temporary;
    this.retryAfter = retryAfter;
    this.status = status;
    this.reply = reply;
  }
}

/** @param {unknown} error @returns {string} the code to look up in a catalog */
export function codeOf(error) {
  return error instanceof Refusal ? error.code : "internal";
}
