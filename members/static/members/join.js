// Small comforts of the join page; it works without them.
"use strict";

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.ask && !window.confirm(form.dataset.ask)) {
      event.preventDefault();
      return;
    }
    // after the browser has gathered the fields
    setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)));
  });
}

// back from the next page, or out of the browser's memory
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

for (const input of document.querySelectorAll("input[type=file][data-limit]")) {
  input.addEventListener("change", () => {
    const file = input.files[0];
    const isTooLarge = file && file.size > Number(input.dataset.limit);
    input.setCustomValidity(isTooLarge ? input.dataset.tooLarge : "");
    if (isTooLarge) input.reportValidity();
  });
}

for (const button of document.querySelectorAll("button[data-wait]")) {
  const words = button.textContent;
  let left = Number(button.dataset.wait);
  const tick = () => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `${words} (${left})` : words;
    if (left > 0) setTimeout(tick, 1000);
    left -= 1;
  };
  tick();
}

const waiting = document.querySelector("[data-refresh]");
if (waiting) {
  setInterval(() => {
    if (document.visibilityState === "visible") window.location.replace(waiting.dataset.page);
  }, Number(waiting.dataset.refresh) * 1000);
}
