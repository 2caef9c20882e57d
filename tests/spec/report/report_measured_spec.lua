-- Onset errors and intervals are of what this computer timed: of trains that the stimulator times itself, the
-- start. Every figure is computed here once more, from the rows of events.tsv.
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

describe("the report's errors", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  --- Run code; the folder of its record, and what the terminal got.
  local function run(options, code)
    shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\n' .. code)
    local status, out, err = shell.moonpulse(folder,
      ("run %s/made.lua --out %s/runs %s"):format(folder, folder, options))
    assert.are.equal(0, status, err)
    return fixture.run_in(folder .. "/runs"), out
  end

  --- The pulses that were sent; late: number or nil.
  local function rows_of(record)
    local names, rows = nil, {}
    for line in io.lines(record .. "/events.tsv") do
      local cells, row = {}, {}
      for cell in line:gmatch "[^\t]+" do
        cells[#cells + 1] = cell
      end
      for i, name in ipairs(names or {}) do
        row[name] = cells[i]
      end
      names = names or cells
      if row.event == "pulse" and row.onset_sent_us ~= "n/a" then
        rows[#rows + 1] = { late = tonumber(row.lateness_us), sent = tonumber(row.onset_sent_us),
          planned = tonumber(row.onset_planned_us), confirmed = tonumber(row.onset_confirmed_us),
          by = row.timed_by }
      end
    end
    return rows
  end

  --- n, min, p50, p95, p99, max as the report's cells: by nearest rank.
  local function cells_of(values)
    table.sort(values)
    local cells = { ("%d"):format(#values), ("%.1f"):format(values[1]) }
    for _, percent in ipairs { 50, 95, 99, 100 } do
      cells[#cells + 1] = ("%.1f"):format(values[math.ceil(percent * #values / 100)])
    end
    return '<td class="n">' .. table.concat(cells, '</td><td class="n">') .. "</td>"
  end

  --- What is measured of the rows.
  local function own(rows)
    local late, intervals, waits, before, unmeasured = {}, {}, {}, nil, 0
    for _, row in ipairs(rows) do
      if row.late then
        late[#late + 1] = row.late
        intervals[#intervals + 1] = before
          and math.abs(row.sent - before.sent - (row.planned - before.planned))
        waits[#waits + 1] = row.confirmed and row.confirmed - row.sent
        before = row
      else
        assert.are.equal("device", row.by)
        unmeasured = unmeasured + 1
      end
    end
    return { late = late, intervals = intervals, waits = waits, unmeasured = unmeasured }
  end

  local function has(html, words)
    assert.is_truthy(html:find(words, 1, true), "the page lacks: " .. words)
  end

  --- The report, the terminal and the manifest tell what the rows tell.
  local function check(record, out)
    local found, html = own(rows_of(record)), shell.read(record .. "/report.html")
    has(html, 'Onset error</th>' .. cells_of(found.late))
    has(html, 'Interval error</th>' .. cells_of(found.intervals))
    has(html, ('Replies with a time (n)</th><td>%d</td>'):format(#found.waits))
    local words = ("%d pulses were timed by the stimulator: not measured"):format(found.unmeasured)
    has(html, words)
    has(html, (" among the %d that this computer timed (%s)"):format(#found.late, words))
    assert.is_nil(html:find("DISAGREE", 1, true))
    local listed = 0
    local by_interval = html:match("By planned interval.-<tbody>(.-)</tbody>")
    for n in by_interval:gmatch('<tr>.-</th><td class="n">(%d+)</td>') do
      listed = listed + tonumber(n)
    end
    assert.are.equal(#found.intervals, listed)
    local late = cjson.decode(shell.read(record .. "/manifest.json")).result.lateness_us
    if late ~= nil and late ~= cjson.null then
      assert.matches("onset error[^\n]*%(" .. words .. "%)", out)
      assert.is_true(math.abs(late.max - found.late[#found.late]) < 0.001)
      assert.is_true(math.abs(late.p50 - found.late[math.ceil(#found.late / 2)]) < 0.001)
    end
    return found, by_interval
  end

  it("are of the starts, where a stimulator times its bursts", function()
    local record, out = run("--amt 40 --tolerance 1000", [[
      return mp.burst { pulses = 4, hz = 200, intensity = mp.amt(90) }:times(3, { every = 1 })]])
    local found, by_interval = check(record, out)
    assert.are.same({ 3, 2, 9 }, { #found.late, #found.intervals, found.unmeasured })
    assert.matches(">1 s<", by_interval, 1, true)
    assert.is_nil(by_interval:find(">5 ms<", 1, true)) -- the burst's own interval: nobody measured it
  end)

  it("are of the starts of pairs among single pulses", function()
    local record, out = run("--tolerance 500 --device sim:bistim --speed 20", [[
      local pair = mp.pair { isi = mp.ms(3), intensity = { mp.mso(35), mp.mso(55) } }
      local single = mp.pulse(mp.mso(55))
      return mp.trials { of = { pair, single, pair, single, single }, every = 6 }]])
    local found = check(record, out)
    assert.are.same({ 5, 4, 2 }, { #found.late, #found.intervals, found.unmeasured })
  end)

  it("of an experiment are as well", function()
    local record, out = run("--tolerance 1000", [[
      return mp.experiment(function(run)
        local stim = run:device()
        local burst = mp.burst { pulses = 3, hz = 200, intensity = mp.mso(40) }
        stim:arm(burst)
        stim:play(burst)
        stim:play(burst)
        stim:fire(mp.pulse(mp.mso(40)))
      end)]])
    local found = check(record, out)
    assert.are.same({ 3, 4 }, { #found.late, found.unmeasured })
  end)

  it("of a single pulse have no percentiles, in the terminal either", function()
    local record, out = run("--tolerance 1000", "return mp.pulse(mp.mso(40))")
    assert.matches("\nonset error [%d.]+ %l+, of 1 pulse\n", out)
    has(shell.read(record .. "/report.html"), ("<p>Of 1 pulse: %.1f µs"):format(rows_of(record)[1].late))
  end)

  it("of a run that this computer timed speak of no stimulator", function()
    local record, out = run("--tolerance 1000", "return mp.pulse(mp.mso(40)):times(3, { every = 1 })")
    assert.is_nil(shell.read(record .. "/report.html"):find("timed by the stimulator", 1, true))
    assert.is_nil(out:find("timed by the stimulator", 1, true))
  end)
end)

describe("the report's timeline", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("has the marks before the first pulse and after the last", function()
    shell.write(folder .. "/made.lua", [[
      local mp = require "moonpulse"
      return mp.mark "baseline" .. mp.rest(5) .. mp.mark "block" .. mp.rest(1)
        .. mp.pulse(mp.mso(40)):times(3, { every = 0.1 }) .. mp.rest(4) .. mp.mark "end"]])
    local status, _, err = shell.moonpulse(folder,
      ("run %s/made.lua --speed max --out %s/runs"):format(folder, folder))
    assert.are.equal(0, status, err)
    local html = shell.read(fixture.run_in(folder .. "/runs") .. "/report.html")
    local whole = html:match("<figure[^>]*>(<svg.-)</figure>")
    local marks = whole:match('class="mark" d="([^"]*)"')
    assert.are.equal(3, select(2, marks:gsub("M", "")), marks)
    assert.matches("3 pulses from 6.000 s to 6.200 s", html, 1, true)
    for _, tick in ipairs { "0", "10" } do
      assert.matches('<text class="tick" [^>]*text%-anchor="middle">' .. tick .. "</text>", whole)
    end
  end)
end)
