// How results of the search are ranked: Sphinx's own weights, the page of symbols before other pages that have a word in
// their text, chapters before notebooks.
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([page, , , , score]) => score + (page === "book/notation" ? 3 : 0) - (page.startsWith("exercises/") ? 1 : 0),
};
