// Who a picture is for: one of your own users, nobody in particular, or somebody else by id.
import { h } from "./dom.js";
import { get } from "./api.js";

const OTHER = "\u0000other";

export async function personChoice(id, chosen, changed = () => {}) {
  const people = await get("ui/people");
  const own = people.own.map((p) => h("option", { value: p.id }, p.id));
  const select = h("select", { id },
    own.length ? h("optgroup", { label: "Your people" }, own) : null,
    h("optgroup", { label: "Others" },
      h("option", { value: "average" }, "nobody in particular"),
      h("option", { value: OTHER }, "somebody else, or several …")));
  const list = h("datalist", { id: `${id}-list` },
    people.own.map((p) => h("option", { value: p.id })), people.others.map((p) => h("option", { value: p })));
  const typed = h("input", {
    id: `${id}-typed`, list: `${id}-list`, hidden: true, autocomplete: "off", maxlength: 500,
    "aria-label": "Id of a person, or several as me,you,!him", placeholder: "u17, or me,you,!him",
  });
  const known = [...people.own.map((p) => p.id), "average"];
  const start = chosen ?? people.own[0]?.id ?? "average";
  if (known.includes(start)) select.value = start;
  else { select.value = OTHER; typed.value = start; typed.hidden = false; }
  const value = () => (select.value === OTHER ? typed.value.trim() : select.value);
  const tell = () => changed(value());
  select.addEventListener("change", () => {
    typed.hidden = select.value !== OTHER;
    if (!typed.hidden) typed.focus();
    tell();
  });
  typed.addEventListener("change", tell);
  return { nodes: [select, typed, list], value, people, own: () => people.own.some((p) => p.id === value() && !p.read_only) };
}
