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
        intensity_mso = name == "ICF" and 55 or 40 + i % 2, intensity = name == "ICF" and 55 or 40 + i % 2,
        intensity_ref = "MSO", status = not sent and "late" or nil })
      counts[name][1] = counts[name][1] + (sent and 1 or 0)
      counts[name][2] = counts[name][2] + (sent and i ~= 9 and 1 or 0)
    end
    local html = page_of({ speed = 1, thresholds = { rmt = 50 }, conditions = { SICI = 20, ICF = 10 },
      result = { status = "completed", pulses_planned = 30 } }, rows)
    local cells = {}
    for name, row in section(html, "conditions"):gmatch('<th scope="row">(%u+)</th>(.-)</tr>') do
      cells[name] = cells[name] or row
    end
    for name, planned in pairs { SICI = 20, ICF = 10 } do
      has(cells[name], ('<td class="n">%d</td><td class="n">%d</td><td class="n">%d</td>'):format(planned,
        counts[name][1], counts[name][2]))
    end
    has(cells.SICI, "40 to 41 %MSO (2 levels)")
    has(cells.SICI, "80 to 82 % of RMT (2 levels), computed")
    has(cells.ICF, "110 % of RMT, computed")
    assert.is_nil(section(page_of({}, { pulse(1, 0, 5, 900, { trial_type = "pulse" }) }), "conditions"))
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
