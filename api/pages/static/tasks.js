// The pages of tasks and batches follow them live; without this they show how things stood when they were asked for.
(function () {
  "use strict";
  var LETTERS = { QUEUED: "q", INITIALIZING: "i", RUNNING: "r", PAUSED: "p", COMPLETE: "\u2713", EXECUTOR_ERROR: "!",
    SYSTEM_ERROR: "S", CANCELED: "c", CANCELING: "c", PREEMPTED: "v" };
  var KEPT = 200000;

  function byId(id) { return document.getElementById(id); }
  function showState(id, state) {
    var shown = byId(id);
    if (shown && shown.textContent !== state) { shown.textContent = state; shown.className = "state " + state; }
  }
  function duration(seconds) {
    var s = Math.round(seconds);
    if (s < 60) return s + " s";
    if (s < 600) return Math.floor(s / 60) + " min " + s % 60 + " s";
    if (s < 3600) return Math.floor(s / 60) + " min";
    return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
  }
  function follow(address, handlers) {
    var source = new EventSource(address);
    Object.keys(handlers).forEach(function (name) {
      source.addEventListener(name, function (event) { handlers[name](JSON.parse(event.data)); });
    });
    source.addEventListener("end", function () { source.close(); location.reload(); });
  }

  // A task: its state, its last lines, and what it uses.
  var usages = [];
  function drawUsage(usage) {
    usages.push(usage);
    if (usages.length > 120) usages.shift();
    byId("usage").hidden = false;
    byId("usage-text").textContent = duration(usage.wall_s) + ", CPU " + duration(usage.cpu_s) + ", memory " +
      Math.round(usage.rss_bytes / 1e6) + " MB, " + usage.processes + (usage.processes === 1 ? " process" : " processes") +
      (usage.gpu_percent === null ? "" : ", GPU " + Math.round(usage.gpu_percent) + " %");
    var cores = usages.slice(1).map(function (now, at) {
      return Math.max(0, (now.cpu_s - usages[at].cpu_s) / Math.max(0.1, now.wall_s - usages[at].wall_s));
    });
    line("cpu", cores, Math.max(1, Math.max.apply(null, cores.concat([0]))));
    var memory = usages.map(function (each) { return each.rss_bytes; });
    line("memory", memory, Math.max.apply(null, memory.concat([1])));
  }
  function line(name, values, top) {
    var points = values.map(function (value, at) {
      return (600 * at / Math.max(1, values.length - 1)).toFixed(1) + "," + (115 - 110 * value / top).toFixed(1);
    });
    document.querySelector("#usage-chart ." + name).setAttribute("points", points.join(" "));
  }
  function addLog(said) {
    var log = byId("log-" + said.stream);
    if (!log) return;
    var atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
    log.parentNode.hidden = false;
    log.textContent = (log.textContent + said.text).slice(-KEPT);
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
  var task = document.querySelector("[data-task-live]");
  if (task && window.EventSource) {
    follow(task.dataset.taskLive, {
      state: function (now) { showState("state", now.state); }, usage: drawUsage, log: addLog
    });
  }

  // A batch: numbers by state, and the cells of this page.
  var cells = byId("cells"), asking = false, again = false;
  function showCell(item) {
    var cell = byId("cell-" + item.id);
    if (!cell) return;
    var text = item.label + ": " + item.state;
    if (cell.title !== text) {
      cell.className = "cell " + item.state;
      cell.textContent = LETTERS[item.state] || "?";
      cell.title = text;
      cell.setAttribute("aria-label", text);
    }
    showState("state-" + item.id, item.state);
  }
  function askCells() {
    if (!cells) return;
    if (asking) { again = true; return; }
    asking = true;
    fetch(cells.dataset.source, { headers: { Accept: "application/json" } }).then(function (answer) {
      return answer.ok ? answer.json() : { items: [] };
    }).then(function (page) { page.items.forEach(showCell); }).catch(function () {}).then(function () {
      setTimeout(function () { asking = false; if (again) { again = false; askCells(); } }, 2000);
    });
  }
  function showBatch(now) {
    showState("state", now.state);
    byId("summary").textContent = now.summary;
    byId("summary").className = "state " + now.state;
    byId("progress").value = now.complete;
    byId("held").hidden = !now.held_back;
    byId("held").lastElementChild.textContent = now.held_back || "";
    var counts = Object.assign({ all: now.total, REFUSED: now.refused_count }, now.counts);
    document.querySelectorAll("[id^=count-]").forEach(function (shown) {
      var number = counts[shown.id.slice(6)] || 0;
      shown.textContent = number.toLocaleString("en");
      if (number) shown.closest("li").hidden = false;
    });
    askCells();
  }
  var batch = document.querySelector("[data-batch-events]");
  if (batch && window.EventSource) { follow(batch.dataset.batchEvents, { state: showBatch }); }

  // Arrow keys go from cell to cell; Tab goes past the grid.
  if (cells) {
    var links = Array.prototype.slice.call(cells.querySelectorAll("a"));
    links.forEach(function (link, at) { link.tabIndex = at ? -1 : 0; });
    cells.addEventListener("keydown", function (event) {
      var at = links.indexOf(document.activeElement);
      if (at < 0) return;
      var row = links.filter(function (link) { return link.offsetTop === links[0].offsetTop; }).length;
      var step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[event.key];
      var to = event.key === "Home" ? 0 : event.key === "End" ? links.length - 1 : step ? at + step : -1;
      if (to < 0 || to >= links.length || to === at) return;
      event.preventDefault();
      links[at].tabIndex = -1;
      links[to].tabIndex = 0;
      links[to].focus();
    });
  }
})();
