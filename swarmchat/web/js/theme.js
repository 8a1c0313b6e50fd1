// Light, dark, or as the system has it.

const KEY = "swarmchat.theme";
export const THEMES = ["system", "light", "dark"];

export const theme = () => (THEMES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "system");

export function setTheme(wanted) {
  localStorage.setItem(KEY, wanted);
  applyTheme();
}

export function applyTheme() {
  const wanted = theme();
  if (wanted === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wanted;
}
