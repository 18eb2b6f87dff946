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
  // A task's page follows it live.
  var live = document.querySelector("[data-task-events]");
  if (live && window.EventSource) {
    var source = new EventSource(live.dataset.taskEvents);
    source.addEventListener("state", function (event) {
      var now = JSON.parse(event.data);
      var state = document.getElementById("state");
      state.textContent = now.state;
      state.className = "state " + now.state;
      var bar = document.getElementById("progress");
      if (bar && now.total) { bar.max = now.total; bar.value = now.complete; }
      (now.items || []).forEach(function (item) {
        var cell = document.getElementById("state-" + item.id);
        if (cell) { cell.textContent = item.state; cell.className = "state " + item.state; }
      });
    });
    source.addEventListener("end", function () { source.close(); location.reload(); });
  }
  // Ctrl+Enter asks the query.
  var query = document.querySelector("form.query textarea");
  if (query) {
    query.addEventListener("keydown", function (event) {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { query.form.requestSubmit(); }
    });
  }
})();
