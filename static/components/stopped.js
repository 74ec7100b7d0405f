/** Where a client's way ends, well or not: what happened, whom to call, and what can be done here. */

import { MessageScreen } from "./message-screen.js";

/**
 * @param {import("../lib/i18n.js").Translator} t
 * @param {{reason: string, code?: string, words?: string}} stopped  `code` of the refusal behind it, `words` of the provider
 * @param {import("../lib/types.js").Practice | null} practice
 * @param {{onAgain: () => void, onHere: () => void, onBack: () => void}} ways
 */
export function stoppedScreen(t, { reason, code, words }, practice, { onAgain, onHere, onBack }) {
  const again = { label: t.say("stopped.again"), onClick: onAgain };
  const here = { label: t.say("stopped.use_this"), onClick: onHere };
  const back = { label: t.say("stopped.back"), onClick: onBack };
  const screen = new MessageScreen();
  screen.show({
    t,
    title: t.say(`stopped.${reason}`),
    text: [...(words ? [`“${words}”`] : []), t.say(code === "rate" ? "error.rate" : `stopped.${reason}_more`)],
    picture: reason === "finished" ? "heart" : "alert",
    practice,
    actions: { displaced: [here], unreachable: [again], lost: [back], over: [back] }[reason] ?? [],
  });
  return screen;
}
