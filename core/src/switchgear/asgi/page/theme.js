// Light, dark, or as the system has it. A classic script, run before the first paint, so that nothing flashes.
"use strict";
(() => {
  const KEY = "switchgear-theme";
  const NEXT = { system: "light", light: "dark", dark: "system" };

  function remembered() {
    try {
      return localStorage.getItem(KEY) ?? "system";
    } catch {
      return "system"; // storage may be forbidden
    }
  }

  function remember(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // then it lasts as long as the page
    }
  }

  let theme = remembered() in NEXT ? remembered() : "system";
  document.documentElement.dataset.theme = theme;

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const said = document.getElementById("theme-text");
    const say = () => { said.textContent = `Theme: ${theme}`; };
    button.addEventListener("click", () => {
      theme = NEXT[theme];
      document.documentElement.dataset.theme = theme;
      remember(theme);
      say();
    });
    say();
  });
})();
