// The text under a search result comes from the article, and shows a formula once: its MathML without the source.
addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  Search.htmlToText = (source, anchor) => {
    const page = new DOMParser().parseFromString(source, "text/html");
    const article = page.querySelector("article") ?? page.body;
    for (const extra of article.querySelectorAll(".headerlink, script, style, .live-bar, .katex-html, annotation")) extra.remove();
    const place = anchor ? article.querySelector(anchor) : null;
    const term = place?.closest("dt"); // a term of the glossary is shown with its definition
    if (term) return `${term.textContent}: ${term.nextElementSibling?.textContent ?? ""}`;
    return (place?.textContent.trim() ? place : article).textContent;
  };
});
