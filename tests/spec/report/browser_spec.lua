-- The report in a browser: no error, the numbers of events.tsv, no scrolling sideways on a phone, two pages
-- of paper. Skipped where there is no Chromium. What is expected is computed here from the table's text.
local cjson = require "cjson"
local pages = require "report_page"
local report = require "moonpulse.report"
local shell = require "shell"

local pulse = pages.pulse

--- The browser: what CHROMIUM names, else Debian's; nil where there is none.
local function chromium()
  local named = os.getenv "CHROMIUM"
  for _, name in ipairs(named and { named } or { "chromium", "chromium-browser", "google-chrome" }) do
    local pipe = assert(io.popen("command -v " .. shell.quote(name) .. " 2>/dev/null"))
    local path = pipe:read("l")
    pipe:close()
    if path then
      return path
    end
  end
end

--- Run it: what it wrote; a folder of its own keeps it from a user's settings.
local function browse(folder, options)
  local status, out, err = shell.sh(folder, ("exec timeout 60 %s --headless --no-sandbox --disable-gpu "
    .. "--hide-scrollbars --user-data-dir=%s/browser --allow-file-access-from-files "
    .. "--enable-logging=stderr %s"):format(chromium(), folder, options))
  assert.are.equal(0, status, err)
  return out, err
end

--- The pulses of an events table, read without any of the report's modules.
local function rows_of(path)
  local names, rows = nil, {}
  for line in io.lines(path) do
    local cells, row = {}, {}
    for cell in (line .. "\t"):gmatch "([^\t]*)\t" do
      cells[#cells + 1] = cell
    end
    for i, name in ipairs(names or {}) do
      row[name] = cells[i]
    end
    names = names or cells
    rows[#rows + 1] = row.event == "pulse" and row or nil
  end
  return rows
end

--- A page that opens reports in frames, does what a reader does, and tells what they saw.
local walk = [[<!DOCTYPE html><meta charset="utf-8"><pre id="told"></pre>
<iframe id="wide" width="1100" height="900" src="RUN"></iframe>
<iframe id="phone" width="360" height="740" src="RUN"></iframe>
<iframe id="odd" width="360" height="740" src="ODD"></iframe>
<iframe id="plain" width="1100" height="900" sandbox="allow-same-origin" src="RUN"></iframe>
<iframe id="real" width="1100" height="900" src="REAL"></iframe>
<script>
function page(id) { return document.getElementById(id).contentDocument; }
function bars(doc) {
  return doc.querySelector("#zoom .bar").getAttribute("d").split("M").length - 1;
}
function given(doc) {
  var told = {};
  doc.querySelectorAll("table.given tbody tr").forEach(function (row) {
    told[row.cells[0].textContent] = [row.cells[1].textContent, row.cells[2].textContent,
      row.cells[3].textContent];
  });
  return told;
}
function press(doc, key) {
  doc.getElementById("zoom").dispatchEvent(new KeyboardEvent("keydown", { key: key, bubbles: true }));
}
function texts(doc, which) {
  return Array.from(doc.querySelectorAll(which)).map(function (node) { return node.textContent; });
}
function seen(doc) {
  return { info: doc.querySelector("#zoom .info").textContent, bars: bars(doc),
    buttons: texts(doc, "#zoom button").slice(0, -2),
    marks: texts(doc, "#zoom svg text.tick"), signs: texts(doc, "#zoom svg .sign") };
}
function sideways(doc) { return doc.documentElement.scrollWidth - doc.documentElement.clientWidth; }
window.onload = function () {
  var wide = page("wide"), told = { given: given(wide), session: seen(wide) };
  told.static_hidden = getComputedStyle(wide.querySelector(".static")).display === "none";
  var buttons = wide.querySelectorAll("#zoom button");
  buttons[1].click(); buttons[buttons.length - 1].click(); buttons[buttons.length - 1].click();
  told.train = seen(wide);
  press(wide, "+"); press(wide, "ArrowRight"); told.burst = seen(wide);
  press(wide, "+"); press(wide, "ArrowRight"); told.pulse = seen(wide);
  press(wide, "-"); press(wide, "-"); press(wide, "-"); press(wide, "-"); told.back = seen(wide);
  var svg = wide.querySelector("#zoom svg"), box = svg.getBoundingClientRect();
  svg.dispatchEvent(new MouseEvent("click", { clientX: box.left + box.width - 20, clientY: box.top + 60,
    bubbles: true }));
  told.clicked = seen(wide);
  told.odd = seen(page("odd"));
  told.real = { given: given(page("real")), session: seen(page("real")), sideways: sideways(page("real")) };
  told.sideways = [sideways(wide), sideways(page("phone")), sideways(page("odd")), sideways(page("plain"))];
  told.fold = wide.querySelector("table.given").getBoundingClientRect().bottom;
  told.width = page("phone").documentElement.clientWidth;
  told.without = { zoom: page("plain").getElementById("zoom").hidden,
    figures: page("plain").querySelectorAll(".static").length,
    shown: getComputedStyle(page("plain").querySelector(".static")).display };
  document.getElementById("told").textContent = JSON.stringify(told);
};
</script>]]

local unescape = { ["&amp;"] = "&", ["&lt;"] = "<", ["&gt;"] = ">", ["&quot;"] = '"' }

local bad = [[</script><script>console.error("x")</script><img src=x onerror=console.error(1)>]]

--- Pulses of which some did not go as planned, in two channels, with text that would break a page.
local function odd_rows()
  local rows = {}
  for i, status in ipairs { "delivered", "late", "perhaps_sent", "otherwise", "delivered", "stopped" } do
    local sent = status ~= "late" and status ~= "stopped"
    rows[i] = pulse(i, i * 2e6, sent and 3 or nil, sent and 500 or nil, { status = status, channel = i % 2,
      trial_type = bad, reply = bad })
  end
  rows[#rows + 1] = { event = "mark", onset = "1.5", trial_type = "mark", reply = bad }
  return rows
end

describe("the report in a browser", function()
  local folder, told, log

  local function write(name, manifest, rows)
    local run = folder .. "/" .. name
    os.execute("mkdir " .. shell.quote(run))
    shell.write(run .. "/manifest.json", cjson.encode(manifest))
    shell.write(run .. "/events.tsv", pages.tsv(rows))
    assert(report.write(run))
    return run
  end

  setup(function()
    if not chromium() then
      return
    end
    folder = shell.folder()
    local rows = pages.itbs_run()
    rows[#rows + 1] = { event = "mark", onset = "20.5", trial_type = "mark", reply = "eyes closed" }
    local manifest = pages.itbs_manifest()
    manifest.participant, manifest.thresholds = "P07", { amt = 45 }
    manifest.safety = { verdict = "within", table = "Rossi 2009 Table 4", operator = "AB",
      warning = ("a warning that is long enough for a line or two "):rep(3) }
    write("run", manifest, rows)
    write("odd", { protocol = { name = bad, outline = ("wide"):rep(200) }, speed = 1,
      result = { status = "stopped", reason = bad .. ("x"):rep(300) } }, odd_rows())
    local status, _, err = shell.moonpulse(folder, "run tmseeg_sp --rmt 45 --speed max --out " .. folder
      .. "/real")
    assert.are.equal(0, status, err)
    local real = "real/" .. shell.names(folder .. "/real")[1]
    local urls = { RUN = "run/report.html", ODD = "odd/report.html", REAL = real .. "/report.html" }
    shell.write(folder .. "/walk.html", (walk:gsub("%u%u%u%u?", urls)))
    local out
    out, log = browse(folder, "--virtual-time-budget=3000 --dump-dom file://" .. folder .. "/walk.html")
    local text = out:match('<pre id="told">(.-)</pre>'):gsub("&%a+;", unescape)
    assert.is_truthy(text ~= "", log)
    told = cjson.decode(text)
  end)

  teardown(function()
    if folder then
      shell.remove(folder)
    end
  end)

  --- As it, where there is a browser.
  local function with_browser(name, test)
    it(name, function()
      if not told then
        pending "no Chromium here (apt install chromium)"
      end
      test()
    end)
  end

  with_browser("makes no error, whatever the record says", function()
    for line in log:gmatch("[^\n]*CONSOLE[^\n]*") do
      -- of the frame that may run none
      assert.matches("Blocked script execution.*sandboxed", line)
    end
  end)

  with_browser("has the numbers of events.tsv, from the session to a pulse", function()
    local rows = rows_of(folder .. "/run/events.tsv")
    local sent, confirmed = 0, 0
    for _, row in ipairs(rows) do
      sent = sent + (row.onset_sent_us ~= "n/a" and 1 or 0)
      confirmed = confirmed + (row.onset_confirmed_us ~= "n/a" and 1 or 0)
    end
    assert.same({ "600", ("%d"):format(sent), "none" }, told.given.Pulses)
    assert.equal(("%d"):format(confirmed), told.given["Confirmed by the device"][2])
    assert.equal(("%s %%MSO"):format(rows[1].intensity_mso), told.given.Intensity[2])
    local function info(first, last)
      return ("%d pulses from %.3f s to %.3f s: %d given"):format(last - first + 1, rows[first].onset,
        rows[last].onset, last - first + 1)
    end
    assert.equal(info(1, 600), told.session.info)
    assert.same({ "Session", "Train 1 of 20", "Burst 1 of 200", "Pulse 1 of 600" }, told.session.buttons)
    assert.equal(info(61, 90), told.train.info)
    assert.equal(30, told.train.bars)
    assert.equal(info(64, 66), told.burst.info)
    assert.equal(3, told.burst.bars)
    assert.same({ "Session", "Train 3 of 20", "Burst 22 of 200", "Pulse 65 of 600" }, told.pulse.buttons)
    assert.equal(("onset %.6f s; %.3f ms after the one before; onset error %.1f µs; %s %%MSO (80 %% of AMT); "
      .. "channel 1; status delivered"):format(rows[65].onset,
      (rows[65].onset - rows[64].onset) * 1e3, rows[65].lateness_us,
      rows[65].intensity_mso), told.pulse.info)
    assert.equal(told.session.info, told.back.info)
  end)

  with_browser("of a run that was made has its numbers, too", function()
    local rows = rows_of(("%s/real/%s/events.tsv"):format(folder, shell.names(folder .. "/real")[1]))
    assert.same({ ("%d"):format(#rows), ("%d"):format(#rows), "none" }, told.real.given.Pulses)
    assert.equal(("%d pulses from %.3f s to %.3f s: %d given"):format(#rows, rows[1].onset,
      rows[#rows].onset, #rows), told.real.session.info)
    assert.equal(0, told.real.sideways)
  end)

  with_browser("answers what matters in its first screen", function()
    assert.is_true(told.fold > 100 and told.fold <= 900, told.fold)
  end)

  with_browser("zooms to what is clicked on, and shows marks with their text", function()
    assert.equal("Train 20 of 20", told.clicked.buttons[2])
    assert.is_truthy(table.concat(told.session.marks, "\n"):find("eyes closed", 1, true))
    assert.is_truthy(table.concat(told.train.marks, "\n"):find("eyes closed", 1, true))
    assert.is_nil(table.concat(told.clicked.marks, "\n"):find("eyes closed", 1, true))
  end)

  with_browser("marks what did not go as planned with signs, and counts it", function()
    assert.equal("6 pulses from 2.000 s to 12.000 s: 2 given, × 2 not sent, ? 1 perhaps sent, ! 1 given "
      .. "otherwise than set", told.odd.info)
    local signs = table.concat(told.odd.signs)
    assert.equal(2, select(2, signs:gsub("×", "")))
    assert.equal(1, select(2, signs:gsub("%?", "")))
    assert.equal(1, select(2, signs:gsub("!", "")))
  end)

  with_browser("does not scroll sideways, on a phone either", function()
    assert.equal(360, told.width)
    assert.same({ 0, 0, 0, 0 }, told.sideways)
  end)

  with_browser("shows its figures where scripts may not run", function()
    assert.is_true(told.static_hidden)
    assert.same({ zoom = true, figures = 3, shown = "block" }, told.without)
  end)

  with_browser("prints on two pages of A4", function()
    browse(folder, ("--no-pdf-header-footer --print-to-pdf=%s/run.pdf file://%s/run/report.html"):format(
      folder, folder))
    local pdf = shell.read(folder .. "/run.pdf")
    assert.equal(2, select(2, pdf:gsub("/Type%s*/Page[^s]", "")))
    assert.matches("/MediaBox%s*%[0 0 59[45]%S* 84[12]", pdf)
  end)
end)
