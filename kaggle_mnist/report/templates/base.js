"use strict";
(() => { // marks the section in sight in the navigation, and opens what a link leads to
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [document.getElementById(link.hash.slice(1)), link]));
  const nav = document.querySelector("nav");
  let current = null;

  function inSight() { // of sections side by side, the first
    const sections = [...links.keys()], top = (section) => section.getBoundingClientRect().top;
    const end = window.scrollY > 0 && window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2;
    const line = nav.offsetHeight + window.innerHeight * 0.25;
    const last = end ? sections.at(-1) : sections.filter((section) => top(section) < line).at(-1);
    return last && sections.find((section) => Math.abs(top(section) - top(last)) < 2);
  }

  function mark() {
    const link = links.get(inSight()) ?? null;
    if (link === current) return;
    current?.removeAttribute("aria-current");
    link?.setAttribute("aria-current", "true");
    current = link;
    if (link) reveal(link);
  }

  const reveal = (link) => nav.scrollTo({ left: link.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2 });

  for (const [section, link] of links) {
    if (section.tagName === "DETAILS") link.addEventListener("click", () => { section.open = true; });
  }
  nav.addEventListener("focusin", ({ target }) => { if (target.matches(":focus-visible")) reveal(target); }); // by keyboard
  document.addEventListener("scroll", mark, { passive: true });
  window.addEventListener("resize", mark);
  mark();
})();
(() => { // says of a table that is wider than its box that it can be scrolled
  const boxes = [...document.querySelectorAll(".scroll:has(+ .more)")];
  const tell = () => boxes.forEach((box) => { box.nextElementSibling.hidden = box.scrollWidth <= box.clientWidth; });
  window.addEventListener("resize", tell);
  tell();
})();
