-- Single sections: safety with its rows, the preflight, the device, conditions; and whether all can be read.
local pages = require "report_page"
local style = require "moonpulse.report.style"

local pulse, page_of, has, lacks, fact = pages.pulse, pages.page_of, pages.has, pages.lacks, pages.fact

local function section(html, id)
  return html:match('<section aria%-labelledby="' .. id .. '">.-</section>')
end

describe("the report's section", function()
  pages.each_test()

  it("on safety has each finding with its layer, its row and its source", function()
    local findings = {
      { verdict = "OVER", text = "train duration: 3 s.", table = "20 Hz, 120 %", source = "Rossi 2009" },
      { verdict = "beyond tested", layer = "lab", text = "gap: 3 s", table = "min_gap_s", source = "Lab A" },
    }
    local html = page_of({ participant = "P1", safety = { verdict = "OVER", table = "Rossi 2009 Table 4",
      lab = "Lab A", history = { day = 600, week = 3000 }, warning = "compare them",
      findings = findings } }, {})
    local safety = section(html, "safety")
    assert.equal("OVER", fact(safety, "Verdict"))
    assert.equal("Lab A", fact(safety, "Lab&#39;s limits"))
    assert.equal("600 pulses today, 3000 in the seven days before",
      fact(safety, "Earlier pulses of the participant"))
    has(safety, "<strong>OVER</strong> (guidelines) train duration: 3 s.</p>"
      .. '<p class="small">Row: 20 Hz, 120 %. Source: Rossi 2009.</p>')
    has(safety, "<strong>beyond tested</strong> (lab) gap: 3 s.</p>"
      .. '<p class="small">Row: min_gap_s. Source: Lab A.</p>')
    has(safety, "compare them")
  end)

  it("on safety has the preflight's questions in their words, in either version of the record", function()
    local asked = { { question = "Is the participant screened?", answer = "y" } }
    local old = { answers = { { id = "screened", text = asked[1].question, answer = "y" } } }
    for _, manifest in ipairs { { safety = {}, preflight = asked }, { safety = { preflight = old } } } do
      has(section(page_of(manifest, {}), "safety"),
        '<th scope="row">Is the participant screened?</th><td>y</td>')
    end
  end)

  it("on safety says that nothing is known, where nothing is", function()
    has(section(page_of({}, {}), "safety"), "verdict is not recorded")
  end)

  it("on the run says what the device or the operator said of the pulse", function()
    local html = page_of({ device = { simulated = false, port = "/dev/ttyUSB0",
      waveform = { value = "biphasic", source = "device" }, coil = { value = "MCF-B65", source = "operator" },
      current_direction = "reverse" } }, {})
    assert.equal("biphasic (says the device)", fact(html, "Waveform"))
    assert.equal("MCF-B65 (says the operator)", fact(html, "Coil"))
    assert.equal("reverse", fact(html, "Current direction"))
    assert.equal("/dev/ttyUSB0", fact(html, "Port"))
    assert.is_nil(fact(html, "Mode"))
  end)

  it("on the dose has a threshold with how it was found", function()
    local html = page_of({ thresholds = { amt = 40, rmt = { value = 48, unit = "%MSO", how = "5 of 10",
      date = "2026-11-02" } } }, {})
    assert.equal("48 %MSO, 5 of 10, 2026-11-02", fact(html, "Resting motor threshold (RMT)"))
    assert.equal("40 %MSO", fact(html, "Active motor threshold (AMT)"))
  end)

  it("on pulses counts each condition: planned, sent, confirmed, with its intensities", function()
    local rows, counts = {}, { SICI = { 0, 0 }, ICF = { 0, 0 } }
    for i = 1, 30 do
      local name = i % 3 == 0 and "ICF" or "SICI"
      local sent = i % 7 ~= 0
      rows[i] = pulse(i, i * 1e6, sent and 4 or nil, sent and i ~= 9 and 900 or nil, { trial_type = name,
        trial = i, intensity_mso = name == "ICF" and 55 or 40 + i % 2,
        intensity = name == "ICF" and 55 or 40 + i % 2,
        intensity_ref = "MSO", status = not sent and "late" or nil })
      counts[name][1] = counts[name][1] + (sent and 1 or 0)
      counts[name][2] = counts[name][2] + (sent and i ~= 9 and 1 or 0)
    end
    local html = page_of({ speed = 1, thresholds = { rmt = 50 }, conditions = { SICI = 20, ICF = 10 },
      trials = { SICI = 20, ICF = 10 },
      result = { status = "completed", pulses_planned = 30 } }, rows)
    local cells = {}
    for name, row in section(html, "conditions"):gmatch('<th scope="row">(%u+)</th>(.-)</tr>') do
      cells[name] = cells[name] or row
    end
    for name, planned in pairs { SICI = 20, ICF = 10 } do
      local given = ('<td class="n">%d\u{A0}of\u{A0}%d</td>'):format(counts[name][1], planned)
      has(cells[name], given:rep(2) .. ('<td class="n">%d</td><td>–</td>'):format(counts[name][2]))
    end
    has(cells.SICI, "40 and 41 %MSO")
    has(cells.SICI, "80 and 82 % of RMT, computed")
    has(cells.ICF, "110 % of RMT, computed")
    assert.is_nil(section(page_of({}, { pulse(1, 0, 5, 900, { trial_type = "pulse" }) }), "conditions"))
  end)

  --- The row of a condition, as the cells' text.
  local function condition(html, name)
    local cells = {}
    for cell in section(html, "conditions"):match('<th scope="row">' .. name .. "</th>(.-)</tr>")
      :gmatch("<td[^>]*>(.-)</td>") do
      cells[#cells + 1] = cell:gsub("\u{A0}", " ")
    end
    return cells
  end

  it("on pulses has every planned condition of a stopped run, trials and pulses by one measure", function()
    local rows = {}
    for i = 1, 5 do -- two pairs, and of the third its first pulse
      rows[i] = pulse(i, (i + 1) // 2 * 5e6 + (i + 1) % 2 * 2500, 4, 900, { trial_type = "SICI",
        trial = (i + 1) // 2, intensity_mso = i % 2 == 1 and 38 or 58 })
    end
    local manifest = { speed = 1, conditions = { SICI = 48, ["test alone"] = 12, ICF = 20 },
      trials = { SICI = 24, ["test alone"] = 12, ICF = 10 },
      result = { status = "stopped", reason = "stopped by Ctrl-C (SIGINT)", pulses_planned = 80 } }
    local html = page_of(manifest, rows)
    assert.same({ "3 of 24", "5 of 48", "5", "2.5 ms", "38 and 58 %MSO", "80 % of AMT" },
      condition(html, "SICI"))
    assert.same({ "0 of 10", "0 of 20", "0", "–", "–", "–" }, condition(html, "ICF"))
    assert.same({ "0 of 12", "0 of 12", "0", "–", "–", "–" }, condition(html, "test alone"))
    has(html, "80 % of AMT (pulses given)") -- what was planned for the rest is not in the rows
    html = page_of(manifest, {}) -- stopped before the first pulse
    assert.same({ "0 of 24", "0 of 48", "0", "–", "–", "–" }, condition(html, "SICI"))
  end)

  it("on pulses has the ISI of each pair, and the intervals of longer stimuli", function()
    local rows = {}
    for trial, made in ipairs { { "short", 2.5 }, { "long", 12 }, { "burst", 20, 20, 160 }, { "single" } } do
      local at = trial * 1e7
      rows[#rows + 1] = pulse(#rows + 1, at, 4, 900, { trial_type = made[1], trial = trial })
      for i = 2, #made do
        at = at + made[i] * 1e3
        rows[#rows + 1] = pulse(#rows + 1, at, 4, 900, { trial_type = made[1], trial = trial })
      end
    end
    local html = page_of({ speed = 1 }, rows)
    local found = {}
    for _, name in ipairs { "short", "long", "bursts without a label", "single" } do
      found[#found + 1] = condition(html, name)[4]
    end
    assert.same({ "2.5 ms", "12 ms", "20 ms, 160 ms", "–" }, found)
  end)

  it("says of a nerve's channel neither %MSO nor % of RMT, and mixes it into no other intensity", function()
    local rows = {}
    for i = 1, 20 do
      local nerve = i % 2 == 1
      rows[i] = pulse(i, i // 2 * 5e6 + (nerve and 0 or 25e3), 4, nil, { trial_type = "PAS",
        trial = (i + 1) // 2, channel = nerve and "median" or "coil", intensity_mso = nerve and 30 or 57.6,
        intensity = nerve and 30 or 120, intensity_ref = nerve and "MSO" or "RMT" })
    end
    local html = page_of({ speed = 1, thresholds = { rmt = 48, amt = 40 },
      protocol = { nerve = { "median" } }, safety = { verdict = "within", table = "a table" },
      device = { name = "pulsepal", simulated = true, confirms = false },
      result = { status = "completed", pulses_planned = 20 } }, rows)
    assert.equal("57.6 %MSO", fact(html, "Intensity, %MSO"))
    assert.equal("120 % of RMT", fact(html, "Intensity, % of RMT"))
    assert.equal("30 % of the nerve stimulator&#39;s output",
      fact(html, "Nerve stimulation (channel median)"))
    for _, wrong in ipairs { "62.5", "75 %", "30 %MSO", "30 to 57.6", "30 and 57.6" } do
      lacks(html, wrong)
    end
    has(html, "within (a table); nerve stimulation not judged")
  end)

  it("says what a device cannot confirm, and not that it did not", function()
    for _, simulated in ipairs { true, false } do
      local html = page_of({ speed = 1, device = { simulated = simulated, confirms = false },
        result = { status = "completed", pulses_planned = 1 } }, { pulse(1, 0, 4) })
      has(pages.verdict(html), "which cannot confirm any")
      has(html, "<td>this device cannot confirm pulses</td>")
      lacks(html, "either the device sends none")
      lacks(html, "not confirmed")
      html = page_of({ speed = 1, device = { simulated = simulated },
        result = { status = "completed", pulses_planned = 1 } }, { pulse(1, 0, 4) })
      has(html, "<td>1 not confirmed</td>")
      lacks(html, "cannot confirm")
    end
  end)

  it("says of a simulated run that it is no session of the participant", function()
    local function participant(simulated)
      return page_of({ participant = "P07", session = { number = 1, of = 5 },
        device = { simulated = simulated } }, {}):match("<dt>Participant</dt><dd>(.-)</dd>")
    end
    assert.equal("P07 (named only: a simulated run is no session)", participant(true))
    assert.equal("P07, session 1 of 5", participant(false))
  end)

  it("on onset errors counts what this computer timed: of five trains five starts, not 150 pulses", function()
    local rows = {}
    for i = 1, 150 do
      local start = i % 30 == 1
      rows[i] = pulse(i, i * 1e5, start and i / 10 or 3, start and 900 or nil, { timed_by = start and "host"
        or "device", lateness_us = start and ("%.3f"):format(i / 10) or "n/a", status = "delivered" })
    end
    local html = page_of({ speed = 1, result = { status = "completed", pulses_planned = 150 } }, rows)
    has(html, 'Onset error</th><td class="n">5</td><td class="n">0.1</td><td class="n">6.1</td>'
      .. '<td class="n">12.1</td><td class="n">12.1</td><td class="n">12.1</td>')
    has(html, "among the 5 that this computer timed (145 pulses were timed by the stimulator: not measured)")
    lacks(html, "n = 150")
  end)
end)

--- The relative luminance and the contrast of two colours (WCAG 2.1).
local function luminance(colour)
  local digits = colour:gsub("^#(%x)(%x)(%x)$", "#%1%1%2%2%3%3")
  local sum, weights = 0, { 0.2126, 0.7152, 0.0722 }
  for i, pair in ipairs { digits:match("^#(%x%x)(%x%x)(%x%x)$") } do
    local part = tonumber(pair, 16) / 255
    sum = sum + weights[i] * (part <= 0.03928 and part / 12.92 or ((part + 0.055) / 1.055) ^ 2.4)
  end
  return sum
end

local function contrast(a, b)
  local light, dark = luminance(a), luminance(b)
  return (math.max(light, dark) + 0.05) / (math.min(light, dark) + 0.05)
end

describe("the report's text", function()
  it("has enough contrast on each of its grounds, in light and in dark (WCAG AA)", function()
    local schemes = 0
    for block in style:gmatch(":root { (.-) }") do
      schemes = schemes + 1
      local of = {}
      for name, value in block:gmatch("%-%-(%w+): (#%x+)") do
        of[name] = value
      end
      for _, pair in ipairs { { "ink", "paper" }, { "soft", "paper" }, { "ink", "bad" }, { "ink", "note" },
        { "ink", "good" }, { "red", "bad" }, { "amber", "note" }, { "green", "good" }, { "paper", "red" },
        { "amber", "paper" }, { "ink", "faint" }, { "blue", "paper" } } do
        local found = contrast(of[pair[1]], of[pair[2]])
        assert.is_true(found >= 4.5, ("%s on %s: %.2f"):format(pair[1], pair[2], found))
      end
    end
    assert.equal(2, schemes)
  end)
end)
