// Where the page begins: the token, then the page, or the words why not.

import { App } from "./app.js";
import { fill } from "./dom.js";
import { applyTheme } from "./theme.js";
import { forgetToken, keepToken, takeFromAddress, token } from "./token.js";
import { welcome } from "./views/welcome.js";

const root = document.getElementById("app");

function enter(text) {
  keepToken(text);
  location.reload();
}

function ask(reason) {
  forgetToken();
  fill(root, welcome(reason, enter));
}

applyTheme();
takeFromAddress();
if (token()) new App(root, token(), { denied: () => ask("wrong"), logOut: () => ask("missing") }).start();
else ask("missing");
addEventListener("hashchange", () => {
  if (!/[#&]token=/.test(location.hash)) return;
  takeFromAddress();
  location.reload();
});
