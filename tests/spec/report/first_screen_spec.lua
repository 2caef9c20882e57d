-- What a reader sees first: who, what, when, by whom, what was given against what was planned; and that
-- nothing that is not normal looks so.
local pages = require "report_page"
local shell = require "shell"

local pulse, page_of, has, lacks, fact = pages.pulse, pages.page_of, pages.has, pages.lacks, pages.fact

--- What stands before the first section with a heading.
local function first_screen(html)
  return assert(html:match("<main>(.-)<h2"))
end

--- The level of the banner and its words in capitals.
local function banner(html)
  return first_screen(html):match('<section class="banner (%a+)".-<strong class="word">(.-)</strong>')
end

local function term(html, name)
  return html:match("<dt>" .. name .. "</dt><dd[^>]*>(.-)</dd>")
end

--- A row of a table: its cells.
local function row(html, name)
  local found, cells = html:match('<th scope="row"[^>]*>' .. name .. "</th>(.-)</tr>"), {}
  for cell in (found or ""):gmatch("<td[^>]*>(.-)</td>") do
    cells[#cells + 1] = cell
  end
  return cells
end

--- A run in which nothing is odd.
local function manifest_of(more)
  local manifest = pages.itbs_manifest()
  manifest.result.pulses_planned = 2
  for key, value in pairs(more or {}) do
    manifest[key] = value
  end
  return manifest
end

local function good_rows()
  return { pulse(1, 0, 5, 900), pulse(2, 1e6, 5, 900) }
end

describe("the report's first screen", function()
  pages.each_test()

  it("says who, what, when, by whom, with what, and how safe it was found", function()
    local manifest = manifest_of { participant = "P07", started = "2026-11-27T20:52:52+0100",
      thresholds = { amt = 45 }, safety = { verdict = "within", table = "Rossi 2009 Table 4", findings = {},
        operator = "AB" }, session = { number = 2, of = 10 } }
    manifest.protocol.id, manifest.result.elapsed_s = "itbs600", 200.5
    manifest.device.model, manifest.device.serial = "X100", "66051"
    local html = page_of(manifest, good_rows())
    assert.same({ "good", "AS PLANNED" }, { banner(html) })
    for name, value in pairs { Participant = "P07, session 2 of 10", Operator = "AB",
      Protocol = "itbs600, 2 pulses", Started = "27 November 2026, 20:52:52 (UTC+01:00)",
      Took = "200.5 s (3 min 20.5 s)", Device = "magventure X100, serial number 66051",
      ["Safety verdict"] = "within (Rossi 2009 Table 4)", Override = "none",
      Approval = "none on record" } do
      assert.equal(value, term(first_screen(html), name), name)
    end
    assert.same({ "2", "2", "none" }, row(html, "Pulses"))
    assert.same({ "80 % of AMT", "36 %MSO", "none" }, row(html, "Intensity"))
    assert.same({ "191.84 s (3 min 11.84 s)", "1 s", "190.84 s less" }, row(html, "First to last pulse"))
  end)

  it("does not call the pulses beyond the tables where the lab's limits or a schedule were passed", function()
    local function of(verdict, findings)
      local html = page_of(manifest_of { safety = { verdict = verdict, table = "T4", findings = findings } },
        good_rows())
      return term(first_screen(html), "Safety verdict"), html:match('<th scope="row">Verdict</th><td>([^<]*)')
    end
    local sessions = { verdict = "beyond tested", layer = "sessions", table = "x", text = "too soon" }
    assert.same({ "within (T4); sessions beyond tested",
      "beyond tested (published limits: within; sessions: beyond tested)" },
      { of("beyond tested", { sessions }) })
    assert.same({ "beyond tested (T4); lab&#39;s limits OVER; sessions beyond tested",
      "OVER (published limits: beyond tested; lab&#39;s limits: OVER; sessions: beyond tested)" },
      { of("OVER", { { verdict = "OVER", layer = "lab", table = "lab.lua", text = "too strong" },
        { verdict = "beyond tested", table = "Row 5", text = "too long" }, sessions }) })
    assert.same({ "OVER (T4)", "OVER" },
      { of("OVER", { { verdict = "OVER", table = "Row 5", text = "x" } }) })
  end)

  it("says a model once", function()
    for description, wanted in pairs { ["Magstim BiStim²"] = "Magstim BiStim²",
      ["Magstim"] = "Magstim BiStim²" } do
      local manifest = manifest_of()
      manifest.device = { description = description, model = "BiStim²", simulated = true }
      assert.equal("SIMULATED " .. wanted, term(page_of(manifest, good_rows()), "Device"))
    end
  end)

  it("has no participant where none was named, and says so", function()
    local html = page_of(manifest_of(), good_rows())
    assert.equal("not recorded", term(html, "Participant"))
    assert.equal("not recorded", term(html, "Safety verdict"))
  end)

  -- each alone makes a page that nobody takes for a usual one: by a word and a shape, and the page's title
  for status, word in pairs { late = "SKIPPED", close = "SKIPPED", setting = "SKIPPED", not_taken = "SKIPPED",
    stopped = "SKIPPED", skipped = "SKIPPED", otherwise = "OTHERWISE", perhaps_sent = "PERHAPS SENT",
    rejected = "REFUSED" } do
    it(("is not normal where one pulse is %s"):format(status), function()
      local sent = status == "otherwise" or status == "perhaps_sent" or status == "rejected"
      local html = page_of(manifest_of(), { pulse(1, 0, 5, 900),
        pulse(2, 1e6, sent and 5 or nil, sent and 900 or nil, { status = status }) })
      local headline = "NOT NORMAL: " .. (status == "otherwise" and "" or "INCOMPLETE, ") .. word
      assert.same({ "bad", headline }, { banner(html) })
      has(html, "<title>" .. headline)
      assert.same(sent and { "2", "2", "none" } or { "2", "1", "1 NOT GIVEN" }, row(html, "Pulses"))
      has(first_screen(html), '<li class="bad"><svg class="icon"')
      has(first_screen(html), "<strong>" .. word .. "</strong> 1 pulse")
      local usual = page_of(manifest_of(), good_rows())
      lacks(usual, "NOT NORMAL")
      assert.not_equal(html:match('<svg class="icon".-</svg>'), usual:match('<svg class="icon".-</svg>'))
    end)
  end

  it("is not normal where a late pulse was sent", function()
    local html = page_of(manifest_of(), { pulse(1, 0, 5, 900), pulse(2, 1e6, 5, 900, { status = "late" }) })
    assert.same({ "bad", "NOT NORMAL: LATE" }, { banner(html) })
  end)

  it("is not normal where a limit was passed or lifted, whatever was delivered", function()
    local safety = { verdict = "OVER", table = "T", findings = { { verdict = "OVER", text = "3 s of 1 s" } } }
    local html = page_of(manifest_of { safety = safety }, good_rows())
    assert.same({ "bad", "NOT NORMAL: OVER" }, { banner(html) })
    has(first_screen(html), "3 s of 1 s")
    -- as either version of the record has it
    for _, override in ipairs { { reason = "a pilot", operator = "AB", approval_ref = "EC 7" },
      { reason = "a pilot", by = "AB", at = "2026-11-27T20:52:52+00:00", approval = "EC 7" } } do
      safety.override = override
      html = page_of(manifest_of { safety = safety }, good_rows())
      assert.same({ "bad", "NOT NORMAL: OVER, OVERRIDE" }, { banner(html) })
      has(first_screen(html), "Reason: a pilot. By: AB. Approval: EC 7.")
      assert.equal("EC 7", term(html, "Approval"))
      assert.matches("^a pilot %(by AB", term(html, "Override"))
    end
    for _, verdict in ipairs { "beyond tested", "not covered", "not checked" } do
      html = page_of(manifest_of { safety = { verdict = verdict, findings = {} } }, good_rows())
      assert.same({ "note", "WITH NOTES: " .. verdict:upper() }, { banner(html) })
    end
  end)

  it("is not normal where the run or its record has no whole end", function()
    local function words(change)
      local manifest = manifest_of()
      change(manifest)
      return table.concat({ banner(page_of(manifest, good_rows())) }, " ")
    end
    assert.equal("bad NOT NORMAL: INTERRUPTED, TORN, NOT CONFIRMED SAFE", words(function(m)
      m.status, m.result.status = "interrupted", "interrupted" -- nothing says that it was disarmed
    end))
    assert.equal("bad NOT NORMAL: INTERRUPTED, TORN", words(function(m)
      m.status, m.result.status, m.result.disarmed = "interrupted", "interrupted", true
    end))
    assert.equal("bad NOT NORMAL: ENDING NOT RECORDED, NOT ENDED", words(function(m)
      m.status, m.result = "running", nil
    end))
    assert.equal("bad NOT NORMAL: NOT CONFIRMED SAFE", words(function(m)
      m.result.reason = "the plan is complete; NOT CONFIRMED SAFE: it does not say"
    end))
    assert.equal("bad NOT NORMAL: RECORD LOST", words(function(m) m.result.flight_lost = true end))
    local lost = manifest_of()
    lost.status, lost.result.flight_lost, lost.result.pulses_unknown = "interrupted", true, 31
    local page = page_of(lost, good_rows())
    for said, is_there in pairs { ["the record is what was in events.tsv by then"] = true,
      ["nobody knows whether 31 more pulses after the last row were given"] = true,
      ["recovered from its flight record"] = false, ["in the flight record belong"] = false } do
      assert.equal(is_there, page:find(said, 1, true) ~= nil, said)
    end
    assert.equal("bad NOT NORMAL: UNEXPLAINED", words(function(m) m.result.pulses_unknown = 3 end))
    assert.equal("note WITH NOTES: REBUILT", words(function(m) m.result.rebuilt = "written again" end))
    assert.equal("note WITH NOTES: RECORD", words(function(m) m.result.files = { "x was replaced" } end))
    assert.equal("note WITH NOTES: FAULTS PLANTED", words(function(m) m.device.faults = "drop@2" end))
    assert.equal("note WITH NOTES: UNCONFIRMED", words(function(m) m.protocol.unconfirmed = true end))
    assert.equal("bad NOT NORMAL: STOPPED", words(function(m) m.result.status = "stopped" end))
    assert.equal("bad NOT NORMAL: INCOMPLETE", words(function(m) m.result.pulses_planned = 3 end))
  end)

  it("names no folder of the machine, in a record of an older version either", function()
    local manifest = manifest_of { safety = { verdict = "OVER", findings = { { verdict = "OVER",
      text = "/home/x & y/lab/made.lua:4: 3 s" } } } }
    manifest.protocol.file = "/home/x & y/lab/made.lua"
    manifest.result.status = "stopped"
    manifest.result.reason = "error: /home/x & y/lab/made.lua:6: no electrode"
    local rows = good_rows()
    rows[3] = { event = "mark", onset = "0.5", reply = "/home/x & y/lab/made.lua:6: no electrode" }
    local html = page_of(manifest, rows)
    lacks(html, "/home")
    lacks(html, "lab/")
    has(first_screen(html), "made.lua:6: no electrode")
    assert.equal("made.lua", fact(html, "File"))
  end)

  it("tells planned from given, with the percentage of the threshold that was asked for", function()
    local rows = { pulse(1, 0, 5, 900, { intensity = 110, intensity_ref = "RMT", intensity_mso = 50 }) }
    local html = page_of(manifest_of { thresholds = { rmt = 45 } }, rows)
    assert.same({ "2", "1", "1 NOT GIVEN" }, row(html, "Pulses"))
    assert.same({ "110 % of RMT (pulses given)", "50 %MSO = 111.1 % of RMT",
      "up to 0.5 %MSO: rounded to the device&#39;s step" }, row(html, "Intensity"))
  end)
end)

describe("the report of a run", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function report_of(...)
    return pages.report_of(folder, ...)
  end

  local train = "return mp.train { pulses = 60, hz = 20, intensity = mp.rmt(120) }"

  it("that passed a limit with an override has its finding, its row, and who lifted it", function()
    local html = report_of("--speed max --rmt 50 --participant P1 --operator AB "
      .. "--beyond-guidelines pilot --approval EC7", train)
    assert.same({ "bad", "NOT NORMAL: OVER, OVERRIDE" }, { banner(html) })
    has(html, "<strong>OVER</strong> (guidelines) train duration: 3 s")
    has(html, 'Row: Rossi 2009 Table 4. Source: Rossi S et al. 2009')
    has(html, "Reason: pilot. By: AB. Approval: EC7.")
    lacks(html, folder .. "/made.lua") -- the page goes to others
    assert.equal("made.lua", fact(html, "File"))
  end)

  it("in virtual time says what its time is, and not the host's", function()
    local html = report_of("--speed max", "return mp.pulse(mp.mso(40)):times(3, { every = 60 })")
    local took = term(html, "Took")
    local seconds = tonumber(took:match("^([%d.]+) s %(2 min .-%) of virtual time; this computer worked "))
    assert.is_true(seconds and seconds >= 120 and seconds < 121, took)
    assert.equal(took, fact(html, "Elapsed"))
  end)

  it("of a script that failed names its line without the folder", function()
    local html = report_of("--speed max", [[
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        stim:fire(mp.pulse(mp.mso(40)))
        error("no electrode")
      end)]], 2)
    assert.matches("made.lua:6: no electrode", html, 1, true)
    lacks(html, folder)
  end)

  it("of an experiment has the percentages of the threshold that was given", function()
    local html = report_of("--speed max --rmt 40", [[
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for _, mso in ipairs { 40, 44, 44 } do
          stim:fire(mp.pulse(mp.mso(mso)))
          run:sleep(5)
        end
      end)]])
    has(html, '<td class="n">40 %MSO</td><td>100 % of RMT, computed</td><td class="n">1</td>')
    has(html, '<td class="n">44 %MSO</td><td>110 % of RMT, computed</td><td class="n">2</td>')
  end)
end)
