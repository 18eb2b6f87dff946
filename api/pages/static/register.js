// The form that registers a pipeline: a descriptor that is chosen can be read and mended before it is sent, and a line
// that something is wrong with leads to its place in the text.
(function () {
  "use strict";
  var text = document.getElementById("text");
  var file = document.getElementById("descriptor");
  file.addEventListener("change", function () {
    if (!file.files.length) return;
    file.files[0].text().then(function (said) {
      text.value = said;
      file.value = "";
      text.rows = 18;
      text.focus();
      text.setSelectionRange(0, 0);
      text.scrollTop = 0;
    });
  });
  document.querySelectorAll("a.no[data-line]").forEach(function (link) {
    link.addEventListener("click", function (event) {
      event.preventDefault();
      var lines = text.value.split("\n");
      var at = Math.min(Number(link.dataset.line), lines.length) - 1;
      var from = lines.slice(0, at).reduce(function (sum, line) { return sum + line.length + 1; }, 0);
      text.focus();
      text.setSelectionRange(from, from + lines[at].length);
      text.scrollTop = Math.max(0, (at - 4) * text.scrollHeight / lines.length);
    });
  });
})();
