local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local lfs = require "lfs"
local record = require "moonpulse.record.read"
local report = require "moonpulse.report"
local stats = require "moonpulse.drawing.stats"
local text = require "moonpulse.drawing.text"
local windows = require "moonpulse.drawing.windows"

local columns = {}
for name in core.event_header:gmatch("[%l_]+") do
  columns[#columns + 1] = name
end

local folder

local function put(name, content)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(content)
  file:close()
end

local function us(value)
  return value and string.format("%.3f", value)
end

-- A pulse `late` µs late, confirmed `reply_us` after it was sent; without `late` it was not sent.
local function pulse(number, planned, late, reply_us, more)
  local sent = late and planned + late
  local row = {
    onset = string.format("%.6f", (sent or planned) / 1e6), duration = "0", index = number,
    event = "pulse", pulse = number, onset_planned_us = us(planned), onset_sent_us = us(sent),
    onset_confirmed_us = us(sent and reply_us and sent + reply_us), lateness_us = us(late),
    channel = 1, intensity_mso = 36, intensity = 80, intensity_ref = "AMT",
    status = reply_us and "delivered" or sent and "sent" or "skipped",
  }
  for key, value in pairs(more or {}) do
    row[key] = value
  end
  return row
end

local function tsv(rows)
  local lines = { table.concat(columns, "\t") }
  for _, row in ipairs(rows) do
    local cells = {}
    for i, name in ipairs(columns) do
      cells[i] = tostring(row[name] or "n/a")
    end
    lines[#lines + 1] = table.concat(cells, "\t")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function page_of(manifest, rows)
  put("manifest.json", type(manifest) == "string" and manifest or cjson.encode(manifest))
  put("events.tsv", type(rows) == "string" and rows or tsv(rows))
  local path, err = report.write(folder)
  assert.is_nil(err)
  assert.equal(folder .. "/report.html", path)
  local file = assert(io.open(path, "rb"))
  local html = file:read("a")
  file:close()
  return html
end

local function verdict(html)
  return html:match('<p class="verdict %a+">(.-)</p>')
end

local function has(html, words)
  assert.is_truthy(html:find(words, 1, true), "the page lacks: " .. words)
end

local function lacks(html, words)
  assert.is_nil(html:find(words, 1, true), "the page has: " .. words)
end

local function fact(html, name)
  local pattern = '<th scope="row">' .. name:gsub("%p", "%%%0") .. "</th><td[^>]*>(.-)</td>"
  return html:match(pattern)
end

local function itbs_onsets()
  local out = {}
  for cycle = 0, 19 do
    for burst = 0, 9 do
      for k = 0, 2 do
        out[#out + 1] = cycle * 10e6 + burst * 200e3 + k * 20e3
      end
    end
  end
  return out
end

local function itbs_manifest()
  return {
    moonpulse = { version = "9.8.7" },
    protocol = { name = "iTBS-600", pulses = 600, first_to_last_s = 191.84, nominal_end_s = 192,
                 whole_cycles_s = 200 },
    device = { name = "magventure", simulated = false }, speed = 1,
    result = { status = "completed", pulses_planned = 600 },
  }
end

-- Lateness from a fixed recurrence: different values, known largest, no random generator.
local function itbs_run()
  local rows, late = {}, {}
  for i, onset in ipairs(itbs_onsets()) do
    late[i] = 40 + (i * 7919 % 1009) / 10
    rows[i] = pulse(i, onset, late[i], 1000 + i)
  end
  return rows, late
end

describe("moonpulse.report", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
  end)

  after_each(function()
    for name in lfs.dir(folder) do
      if name ~= "." and name ~= ".." then
        os.remove(folder .. "/" .. name)
      end
    end
    assert(lfs.rmdir(folder))
  end)

  describe("verdict", function()
    local function run(manifest, rows)
      return verdict(page_of(manifest, rows))
    end

    local function manifest_of(status, planned, more)
      local out = { device = { simulated = false }, speed = 1,
                    result = { status = status, pulses_planned = planned } }
      for key, value in pairs(more or {}) do
        out[key] = value
      end
      return out
    end

    it("says that all went well, with the largest onset error", function()
      assert.equal("2 of 2 pulses delivered and confirmed; the largest onset error was 0.21 ms.",
        run(manifest_of("completed", 2), { pulse(1, 0, 12.5, 900), pulse(2, 1e6, 210, 900) }))
    end)

    it("counts an early pulse by the size of its error", function()
      assert.equal("2 of 2 pulses delivered and confirmed; the largest onset error was 30.5 µs.",
        run(manifest_of("completed", 2), { pulse(1, 0, 12.5, 900), pulse(2, 1e6, -30.5, 900) }))
    end)

    it("says who confirmed when the device is simulated", function()
      local manifest = manifest_of("completed", 1, { device = { simulated = true } })
      assert.equal("1 of 1 pulse delivered and confirmed by a simulated device; "
        .. "the largest onset error was 5.0 µs.", run(manifest, { pulse(1, 0, 5, 900) }))
    end)

    it("does not call a sent pulse delivered when nothing confirmed it", function()
      local sentence = run(manifest_of("completed", 2), { pulse(1, 0, 5), pulse(2, 1e6, 5) })
      assert.equal("2 of 2 pulses sent, none confirmed; the largest onset error was 5.0 µs.",
        sentence)
    end)

    it("says how many pulses a stopped run gave, and why it stopped", function()
      local manifest = manifest_of("stopped", 600)
      manifest.result.reason = "Ctrl-C at 62.1 s."
      assert.equal("STOPPED after 2 of 600 pulses: Ctrl-C at 62.1 s; all confirmed; "
        .. "the largest onset error was 8.0 µs.",
        run(manifest, { pulse(1, 0, 5, 900), pulse(2, 1e6, 8, 900) }))
    end)

    it("names any other ending and a reason that is missing", function()
      assert.equal("DEVICE FAULT before the first of 600 pulses: reason not recorded.",
        run(manifest_of("device fault", 600), {}))
    end)

    it("does not accept 'completed' when pulses are missing", function()
      assert.equal("INCOMPLETE: 1 of 2 pulses delivered and confirmed; "
        .. "the largest onset error was 5.0 µs.",
        run(manifest_of("completed", 2), { pulse(1, 0, 5, 900), pulse(2, 1e6) }))
    end)

    it("does not accept more pulses than planned", function()
      assert.is_truthy(run(manifest_of("completed", 1),
        { pulse(1, 0, 5, 900), pulse(2, 1e6, 5, 900) }):find("^MORE THAN PLANNED: 2 of 1 pulse "))
    end)

    it("claims no timing in virtual time", function()
      local manifest = manifest_of("completed", 1, { speed = "max", device = { simulated = true } })
      local html = page_of(manifest, { pulse(1, 0, 0, nil, { status = "simulated" }) })
      assert.equal("1 of 1 pulse sent to a simulated device, none confirmed; "
        .. "virtual time, so no onset error was measured.", verdict(html))
      lacks(html, "Histogram of onset errors")
      assert.equal("Virtual time (no real clock; no timing measured)", fact(html, "Time"))
    end)

    it("says when the ending was not recorded", function()
      assert.is_truthy(run({}, { pulse(1, 0, 5, 900) }):find(
        "^ENDING NOT RECORDED: 1 pulse %(number planned not recorded%) delivered and confirmed;"))
    end)

    it("points out that the manifest disagrees with the rows", function()
      local manifest = manifest_of("completed", 1)
      manifest.result.pulses_sent = 2
      local html = page_of(manifest, { pulse(1, 0, 5, 900) })
      has(verdict(html), "does not fully agree with itself")
      has(html, '<td class="n">2</td><td class="n">1</td><td>DISAGREE</td>')
    end)
  end)

  describe("figures", function()
    it("equal a separate computation for an iTBS-600 run", function()
      local rows, late = itbs_run()
      local html = page_of(itbs_manifest(), rows)
      table.sort(late)
      -- Nearest ranks of 600 values: 50 % is the 300th, 95 % the 570th, 99 % the 594th.
      has(html, string.format('<td class="n">600</td><td class="n">%.1f</td><td class="n">%.1f</td>'
        .. '<td class="n">%.1f</td><td class="n">%.1f</td><td class="n">%.1f</td>', late[1],
        late[300], late[570], late[594], late[600]))
      assert.equal("600", fact(html, "Pulses planned"))
      assert.equal("600", fact(html, "Pulses sent"))
      assert.equal("600", fact(html, "Pulses confirmed by the device"))
      assert.equal("36 %MSO", fact(html, "Intensity, %MSO"))
      assert.equal("80 % of AMT", fact(html, "Intensity, % of AMT"))
      assert.equal("191.84 s (3 min 11.84 s)",
        fact(html, "Duration: first to last pulse, as planned"))
      assert.equal("192 s (3 min 12 s)", fact(html, "Duration: nominal end, as planned"))
      assert.equal("200 s (3 min 20 s)", fact(html, "Duration: whole cycles, as planned"))
      -- Replies came 1001 ... 1600 µs after the command.
      assert.equal("1.30 ms", fact(html, "Reply latency, p50"))
      assert.equal("1.60 ms", fact(html, "Reply latency, max"))
      lacks(html, "Caution")
    end)

    it("give interval errors by planned interval", function()
      local rows, late = itbs_run()
      local html = page_of(itbs_manifest(), rows)
      local onsets = itbs_onsets()
      local sum, n, worst, shortest, longest = 0, 0, 0, math.huge, 0
      local all = {}
      for i = 2, 600 do
        local change = late[i] - late[i - 1]
        all[#all + 1] = math.abs(change)
        if onsets[i] - onsets[i - 1] == 20e3 then
          n, sum, worst = n + 1, sum + 20e3 + change, math.max(worst, math.abs(change))
          shortest = math.min(shortest, 20e3 + change)
          longest = math.max(longest, 20e3 + change)
        end
      end
      table.sort(all)
      assert.equal(400, n)
      has(html, string.format('<th scope="row" class="n">20 ms</th><td class="n">400</td>'
        .. '<td class="n">%.4f</td><td class="n">%.4f</td><td class="n">%.4f</td>'
        .. '<td class="n">%.1f</td>', sum / n / 1e3, shortest / 1e3, longest / 1e3, worst))
      has(html, '<th scope="row" class="n">160 ms</th><td class="n">180</td>')
      has(html, '<th scope="row" class="n">8.16 s</th><td class="n">19</td>')
      -- 599 intervals: 50 % is the 300th, 99 % the 594th.
      has(html, string.format('Interval error</th><td class="n">599</td><td class="n">%.1f</td>'
        .. '<td class="n">%.1f</td>', all[1], all[300]))
    end)

    it("leave out intervals across a pulse that was not sent", function()
      local html = page_of({ speed = 1 }, { pulse(1, 0, 5, 900), pulse(2, 1e6),
        pulse(3, 2e6, 5, 900), pulse(4, 3e6, 9, 900) })
      has(html, 'Interval error</th><td class="n">1</td><td class="n">4.0</td>')
    end)

    it("mark a percentage that was computed from a threshold", function()
      local rows = { pulse(1, 0, 5, 900, { intensity_mso = 60, intensity = 60,
                                           intensity_ref = "MSO" }) }
      local html = page_of({ thresholds = { rmt = 50 } }, rows)
      assert.equal("120 % of RMT", fact(html, "Intensity, % of RMT (computed)"))
      assert.equal("not recorded", fact(html, "Active motor threshold (AMT)"))
    end)

    it("warn when there are too few pulses for p99", function()
      local function warned(n)
        local rows = {}
        for i = 1, n do
          rows[i] = pulse(i, i * 1e5, i % 7, 900)
        end
        return page_of({ speed = 1 }, rows):find("too small for p99", 1, true) ~= nil
      end
      assert.is_true(warned(1))
      assert.is_true(warned(298))
      assert.is_false(warned(299))
    end)

    it("count 'delivered' as confirmed even where the time of the reply is missing", function()
      local html = page_of({}, { pulse(1, 0, 5, nil, { status = "delivered" }) })
      assert.equal("1", fact(html, "Pulses confirmed by the device"))
      assert.equal("0", fact(html, "Replies with a time (n)"))
      assert.equal("not recorded", fact(html, "Reply latency, p50"))
    end)

    it("keep a seed beyond 2^53 to the last digit", function()
      local html = page_of('{"seed": 9007199254740993, "parameters": {}}', {})
      assert.equal("9007199254740993", fact(html, "Seed"))
    end)
  end)

  describe("pulses that did not go as planned", function()
    it("are listed up to fifty, then counted", function()
      local rows = { pulse(1, 0, 5, 900) }
      for i = 2, 63 do
        rows[i] = pulse(i, i * 1e5)
      end
      local html = page_of({ result = { status = "completed", pulses_planned = 63 } }, rows)
      local _, listed = html:gsub("skipped %(not sent%)", "")
      assert.equal(50, listed)
      has(html, "and 12 more.")
    end)

    it("include pulses that were never reached, as ranges", function()
      local html = page_of({ protocol = { pulses = 600 } },
        { pulse(1, 0, 5, 900), pulse(2, 1e5, 5, 900), pulse(4, 3e5, 5, 900) })
      has(html, "597 planned pulses never reached, or without a row in events.tsv: 3, 5–600.")
    end)

    it("include a refusal, a late pulse and a missing confirmation", function()
      local html = page_of({}, { pulse(1, 0, 5, 900), pulse(2, 1e6, 5),
        pulse(3, 2e6, 5, 900, { status = "rejected" }),
        pulse(4, 3e6, 1500, 900, { status = "late" }),
        pulse(5, 4e6, nil, nil, { status = "late" }) })
      for _, words in ipairs { "<td>sent, not confirmed</td>",
        "<td>rejected (sent, not confirmed)</td>", "<td>late (sent)</td>",
        "<td>late (not sent)</td>" } do
        has(html, words)
      end
      assert.equal("4", fact(html, "Pulses sent"))
      assert.equal("2", fact(html, "Pulses confirmed by the device"))
    end)
  end)

  describe("page", function()
    it("escapes text from every part of the record", function()
      local bad = [[<script>alert("x")</script>&'<img src=x onerror=y>]]
      local m = { speed = bad, seed = bad, started = bad, parameters = { [bad] = bad } }
      m.moonpulse = { version = bad }
      m.protocol = { id = bad, name = bad, cite = bad, target = bad, outline = bad, file = bad }
      m.device = { name = bad, description = bad, model = bad, serial = bad, port = bad }
      m.host = { kernel = bad, cpus = bad, realtime = bad, [bad] = bad }
      m.thresholds = { rmt = bad, amt = bad }
      m.result = { status = bad, reason = bad }
      local html = page_of(m, {
        pulse(1, 0, 5, 900, { trial_type = bad, channel = bad, reply = bad, status = bad }),
        pulse(2, 1e6, 5, 900, { intensity_ref = bad, reply = bad }),
        { event = "mark", onset = "0.5", trial_type = bad } })
      lacks(html, "<script")
      lacks(html, "<img")
      lacks(html, "<SCRIPT")
      has(html, "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;&lt;img src=x")
    end)

    it("shows broken UTF-8 and control bytes instead of passing them on", function()
      assert.equal("a\\xFFb\\x00\\x1B", text.escape("a\xFFb\0\27"))
      assert.equal("µ\tok", text.escape("µ\tok"))
      local html = page_of({}, { pulse(1, 0, 5, 900, { reply = "\xFE\x01" }) })
      has(html, "\\xFE\\x01")
      assert.is_truthy(utf8.len(html))
    end)

    it("needs nothing from outside and runs no script", function()
      local html = page_of(itbs_manifest(), (itbs_run()))
      for _, word in ipairs { "http:", "https:", "<script", "<link", "<img", "@import", "url(",
        "src=" } do
        lacks(html, word)
      end
      has(html, "default-src 'none'")
    end)

    it("gives every figure a title and a description, and every table headers", function()
      local html = page_of(itbs_manifest(), (itbs_run()))
      local figures = 0
      for svg in html:gmatch("<svg.-</svg>") do
        figures = figures + 1
        local title, description = svg:match('aria%-labelledby="(%S+) (%S+)"')
        has(svg, '<title id="' .. title .. '">')
        has(svg, '<desc id="' .. description .. '">')
      end
      assert.equal(4, figures)
      for grid in html:gmatch("<table.-</table>") do
        has(grid, "<caption>")
        has(grid, '<th scope="')
      end
    end)

    it("closes every element that it opens", function()
      local void = { meta = true, ["!DOCTYPE"] = true }
      local stack = {}
      local html = page_of(itbs_manifest(), (itbs_run())):gsub("<style>.-</style>", "")
      for slash, name, rest in html:gmatch("<(/?)([%a!][%w]*)([^>]*)>") do
        if slash == "/" then
          assert.equal(name, table.remove(stack))
        elseif not void[name] and rest:sub(-1) ~= "/" then
          stack[#stack + 1] = name
        end
      end
      assert.equal(0, #stack)
    end)

    it("says 'research software, not a medical device' and the version", function()
      local html = page_of(itbs_manifest(), {})
      has(html, "version 9.8.7. Research software, not a medical device.")
    end)
  end)

  describe("numbers that no run writes", function()
    it("are as if they were missing, in whatever column", function()
      local columns_of_numbers = { "onset", "onset_planned_us", "onset_sent_us", "onset_confirmed_us",
        "lateness_us", "pulse", "intensity_mso", "intensity" }
      for _, name in ipairs(columns_of_numbers) do
        for _, value in ipairs { "-1e308", "1e308", "1e999", "nan", "-inf", "9999999999999999999", "1e16" } do
          local rows = { pulse(1, 0, 1, 100), pulse(2, 100000, 1, 100, { [name] = value }) }
          assert.is_truthy(page_of({ protocol = { name = "X" } }, rows):find("</html>", 1, true), name)
        end
      end
    end)
  end)

  describe("missing things", function()
    it("are 'not recorded' when the manifest is empty, null or of the wrong type", function()
      for _, manifest in ipairs { "{}", '{"protocol":null,"result":{"lateness_us":null}}',
        '{"protocol":"x","device":7,"host":[],"result":"y","parameters":5,"thresholds":[1]}' } do
        local html = page_of(manifest, { pulse(1, 0, 5, 900) })
        for _, name in ipairs { "Citation", "Serial number", "Elapsed", "Kernel", "Seed",
          "Simulated or real", "Time", "Duration: nominal end, as planned" } do
          assert.equal("not recorded", fact(html, name))
        end
        lacks(html, "userdata")
        lacks(html, "nil")
      end
    end)

    it("do no harm one at a time", function()
      local full = itbs_manifest()
      local rows = { pulse(1, 0, 5, 900), pulse(2, 1e6) }
      for key in pairs(full) do
        local part = itbs_manifest()
        part[key] = nil
        page_of(part, rows)
      end
      for _, name in ipairs(columns) do
        if name ~= "event" then
          local less = pulse(1, 0, 5, 900)
          less[name] = nil
          page_of(full, { less, pulse(2, 1e6, 5, 900) })
        end
      end
    end)

    it("make no figures up when a run has no pulses", function()
      local html = page_of({ speed = 1, result = { status = "completed", pulses_planned = 0 } }, {})
      assert.equal("No pulse was planned and none was sent.", verdict(html))
      lacks(html, "<svg")
      lacks(html, "nan")
      lacks(html, "inf<")
      has(html, "No sent pulse has a recorded onset error.")
    end)

    it("include half a row at the end of an interrupted file", function()
      local half = tsv { pulse(1, 0, 5, 900) } .. "1.000005\t0\tn/a\t2\tpul"
      local html = page_of({}, half)
      has(html, "1 row of events.tsv with the wrong number of columns")
      assert.equal("1", fact(html, "Pulses sent"))
    end)

    it("are an error only where there is nothing to report on", function()
      local path, err = report.write(folder)
      assert.is_nil(path)
      assert.is_truthy(err:find("manifest.json", 1, true))
      put("manifest.json", "{}")
      path, err = report.write(folder)
      assert.is_nil(path)
      assert.is_truthy(err:find("events.tsv", 1, true))
      put("events.tsv", "a\tb\n")
      path, err = report.write(folder)
      assert.is_nil(path)
      assert.is_truthy(err:find("no column 'event'", 1, true))
      put("manifest.json", "{oops")
      path, err = report.write(folder)
      assert.is_nil(path)
      assert.is_truthy(err:find("not a JSON object", 1, true))
      assert.is_nil(io.open(folder .. "/report.html"))
    end)
  end)

  it("keeps the page small when pulses outnumber pixels", function()
    local rows = {}
    for i = 1, 20000 do
      rows[i] = pulse(i, i * 1e4 + (i // 100) * 1e6, i % 91 + 0.5, 900,
        { intensity_mso = 30 + i % 50 })
    end
    assert.is_true(#page_of({ speed = 1 }, rows) < 100 * 1024)
  end)
end)

describe("moonpulse.drawing.stats", function()
  it("takes percentiles by nearest rank", function()
    local five = { 15, 20, 35, 40, 50 }
    assert.equal(15, stats.percentile(five, 5))
    assert.equal(20, stats.percentile(five, 30))
    assert.equal(20, stats.percentile(five, 40))
    assert.equal(35, stats.percentile(five, 50))
    assert.equal(50, stats.percentile(five, 100))
    assert.is_nil(stats.percentile({}, 50))
    local hundred = {}
    for i = 1, 100 do
      hundred[i] = i
    end
    for percent = 1, 100 do
      assert.equal(percent, stats.percentile(hundred, percent))
    end
  end)

  it("knows how many values p95 and p99 need", function()
    for p, n in pairs { [0.95] = stats.enough_for_p95, [0.99] = stats.enough_for_p99 } do
      assert.is_true(1 - p ^ n >= 0.95)
      assert.is_true(1 - p ^ (n - 1) < 0.95)
    end
  end)

  it("puts every value in one bin of the histogram, on either axis", function()
    for _, values in ipairs { { 0 }, { 0, 0, 0 }, { -5, 5 }, { 100, 100 }, { 1, 2, 3, 5000 },
      { 0, 0, 0, 1e6 }, { -3e5, 1, 1, 1 } } do
      local h = stats.histogram(stats.describe(values))
      local sum = 0
      for _, n in ipairs(h.counts) do
        sum = sum + n
      end
      assert.equal(#values, sum)
      assert.is_true(h.lo < h.hi and #h.counts <= 100)
    end
    assert.is_true(stats.histogram(stats.describe { 1, 2, 3, 5000 }).log)
    assert.is_false(stats.histogram(stats.describe { 40, 60, 90, 300 }).log)
  end)
end)

describe("moonpulse.drawing.windows", function()
  local function titles(times)
    local out = {}
    for i, window in ipairs(windows.choose(times)) do
      out[i] = string.format("%s %d-%d", window.title, window.first, window.last)
    end
    return out
  end

  local function trains(count, pulses, interval, every)
    local out = {}
    for i = 0, count - 1 do
      for k = 0, pulses - 1 do
        out[#out + 1] = i * every + k * interval
      end
    end
    return out
  end

  it("finds session, train and burst of iTBS", function()
    local times = itbs_onsets()
    for i, onset in ipairs(times) do
      times[i] = onset / 1e6
    end
    assert.same({ "Whole session 1-600", "First train 1-30", "First burst 1-3" }, titles(times))
  end)

  it("finds ten bursts and one where there are no trains (cTBS)", function()
    assert.same({ "Whole session 1-600", "First 10 bursts 1-30", "First burst 1-3" },
      titles(trains(200, 3, 0.02, 0.2)))
  end)

  it("finds the train of rTMS and looks into it", function()
    assert.same({ "Whole session 1-400", "First train 1-40",
      "First 10 pulses of that train 1-10" }, titles(trains(10, 40, 0.1, 30)))
  end)

  it("shows some pulses where all intervals are alike", function()
    assert.same({ "Whole session 1-100", "First 60 pulses 1-60", "First 5 pulses 1-5" },
      titles(trains(100, 1, 0, 1)))
    assert.same({ "Whole session 1-1" }, titles { 3 })
    assert.same({}, titles {})
  end)

  it("calls single pulses and pairs trials, and counts from the first, whatever it is", function()
    assert.same({ "Whole session 1-5", "First pair 2-3" }, titles { 0, 5, 5.002, 10, 15 })
    local times, isi = {}, { 0.003, 0.012, false, 0.1 } -- SICI, ICF, single, LICI
    for trial = 0, 23 do
      local second = isi[(trial + 2) % 4 + 1]
      times[#times + 1] = trial * 10
      times[#times + 1] = second and trial * 10 + second or nil
    end
    assert.same({ "Whole session 1-42", "First 10 trials 1-17", "First pair 2-3" }, titles(times))
    for _, long in ipairs { 0.003, 0.012, 0.1 } do -- one pair is longer than the others
      times = trains(24, 2, 0.0031, 10)
      times[4] = times[3] + long
      assert.same({ "Whole session 1-48", "First 10 pairs 1-20", "First pair 1-2" }, titles(times))
    end
  end)

  it("calls bursts of different size groups, and blocks of what is slow blocks", function()
    local times = {}
    for i = 0, 11 do
      times[#times + 1], times[#times + 2] = i * 5, i * 5 + 0.02
      times[#times + 1] = i % 2 == 1 and i * 5 + 0.04 or nil
    end
    assert.same({ "Whole session 1-30", "First 10 groups 1-25", "First pair 1-2" }, titles(times))
    times = {}
    for block = 0, 3 do
      for _, onset in ipairs(trains(20, 2, 0.008, 5)) do
        times[#times + 1] = block * 600 + onset
      end
    end
    assert.same({ "Whole session 1-160", "First block of pairs 1-40", "First pair 1-2" }, titles(times))
  end)
end)

describe("moonpulse.record.read", function()
  it("follows paths through a manifest and stops at null", function()
    local m = cjson.decode '{"a":{"b":0,"c":null,"d":false}}'
    assert.equal(0, record.get(m, "a.b"))
    assert.is_nil(record.get(m, "a.c"))
    assert.is_false(record.get(m, "a.d"))
    assert.is_nil(record.get(m, "a.b.c.d"))
  end)
end)
