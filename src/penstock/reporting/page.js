const models = [...document.querySelectorAll("details.model")];
const toggle = document.querySelector("#toggle");

function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.matches("details.model")) {
    target.open = true;
    target.scrollIntoView();
  }
}

toggle.hidden = false;
toggle.addEventListener("click", () => {
  const open = models.some((model) => !model.open);
  for (const model of models) model.open = open;
  toggle.textContent = open ? "Collapse all" : "Expand all";
});
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => { for (const model of models) model.open = true; });
openTarget();
