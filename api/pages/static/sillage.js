// Small conveniences; every page works without them.
(function () {
  "use strict";
  // The link that `sillage serve` prints carries the token after '#', which browsers never send to a server.
  var login = document.querySelector("form[data-login]");
  function enter() {
    if (location.hash.length < 2) return;
    login.elements.token.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname + location.search);
    login.submit();
  }
  if (login) {
    enter();
    // Pasted while this page is open, the link changes the address and loads nothing.
    window.addEventListener("hashchange", enter);
  }
  // Ctrl+Enter asks the query.
  var query = document.querySelector("form.query textarea");
  if (query) {
    query.addEventListener("keydown", function (event) {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { query.form.requestSubmit(); }
    });
  }
  // What starts something is sent once, however often it is clicked; coming back by the browser's button, it is free again.
  document.querySelectorAll("form[data-once]").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "yes";
    });
    window.addEventListener("pageshow", function () { delete form.dataset.sent; });
  });
})();
