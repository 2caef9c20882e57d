-- The shipped protocols against tests/data/protocols.tsv, and every onset against arithmetic of its
-- own: t * train period + b * burst period + p * interval, in whole numbers.
local catalogue = require "moonpulse.protocol.catalogue"
local core = require "moonpulse.core"
local protocols = require "moonpulse.protocol"
local shell = require "shell"

-- the rows in order and by id; the first full citation of a doi
local rows, row_of, citations = {}, {}, {}
do
  local header
  for line in io.lines("tests/data/protocols.tsv") do
    local cells = shell.cells(line)
    if header then
      local row = {}
      for i, name in ipairs(header) do
        row[name:match("^[%w_]+")] = cells[i] ~= "-" and cells[i] ~= "" and cells[i] or nil
      end
      rows[#rows + 1], row_of[row.id] = row, row
      if row.doi then
        citations[row.doi] = citations[row.doi] or row.citation
      end
    else
      header = cells
    end
  end
end

--- The plan with parameters given as text; its protocol, its facts.
local function plan_of(id, given, seed)
  local protocol = assert(catalogue.find(id))
  local values = assert(protocols.values(protocol, given or {}))
  local plan = assert(protocols.build(protocol, values, seed))
  return plan, protocol, catalogue.measure(plan, seed or 1)
end

--- Every pulse: { us =, channel =, what = "80 AMT" }.
local function pulses_of(plan, seed)
  local schedule = core.schedule(plan, seed or 1)
  local actions, list = schedule:actions(), {}
  while true do
    local kind, us, _, action = schedule:next()
    if not kind then
      return list
    elseif kind == "pulse" then
      local it = actions[action]
      list[#list + 1] = { us = us, channel = it.channel, what = ("%g %s"):format(it.intensity, it.reference) }
    end
  end
end

local function onsets_of(plan, channel)
  local list = {}
  for _, pulse in ipairs(pulses_of(plan)) do
    if not channel or pulse.channel == channel then
      list[#list + 1] = pulse.us
    end
  end
  return list
end

--- All onsets are equal; says which one is not.
local function assert_onsets(expected, found)
  assert.are.equal(#expected, #found, "number of pulses")
  for i, us in ipairs(expected) do
    if us ~= found[i] then
      error(("pulse %d: %d us expected, not %d"):format(i, us, found[i]), 2)
    end
  end
end

--- Decimal text as a fraction.
local function fraction(text)
  local whole, part = text:match("^(%d+)%.?(%d*)$")
  return math.tointeger(tonumber(whole .. part)), math.tointeger(10 ^ #part)
end

--- A period in seconds as a fraction: 1 / hz where the table has hz exactly, else the milliseconds.
local function period(hz, ms)
  if not hz and not ms then
    return 0, 1
  end
  if hz and #(hz:match("%.(%d*)$") or "") <= 3 then
    local num, den = fraction(hz)
    return den, num
  end
  local num, den = fraction(ms)
  return num, den * 1000
end

--- The onsets of a row in microseconds, rounded once, half up.
local function arithmetic(row)
  local p_num, p_den = period(row.intra_burst_hz, row.ipi_ms)
  local b_num, b_den = period(row.burst_hz, row.burst_period_ms)
  local t_num, t_den = period(nil, row.train_period_s and row.train_period_s .. "000")
  local list, all = {}, p_den * b_den * t_den
  for t = 0, math.tointeger(tonumber(row.trains)) - 1 do
    for b = 0, math.tointeger(tonumber(row.bursts_per_train)) - 1 do
      for p = 0, math.tointeger(tonumber(row.pulses_per_burst)) - 1 do
        local num = t * t_num * b_den * p_den + b * b_num * t_den * p_den + p * p_num * b_den * t_den
        list[#list + 1] = (2 * 1000000 * num + all) // (2 * all)
      end
    end
  end
  return list
end

--- The table's seconds have up to six decimals, rounded.
local function assert_seconds(expected, found, what)
  assert.is_true(math.abs(tonumber(expected) - found) <= 0.5000001e-6,
    ("%s: the table has %s s, the plan %.9f s"):format(what, expected, found))
end

local function assert_durations(row, facts)
  assert_seconds(row.first_to_last_pulse_s, facts.first_to_last_s, "first to last pulse")
  assert_seconds(row.nominal_end_s, facts.nominal_end_s, "nominal end")
  assert_seconds(row.whole_cycles_s, facts.whole_cycles_s, "whole cycles")
end

-- rows that give a part of the protocol only, or the mean of a random interval: what makes it that part
local part = {
  itbs600x3_15min = { blocks = "1" }, io_curve = { shortest = "5", longest = "5" },
  tmseeg_sp = { shortest = "7", longest = "7" },
}
-- rows without a plan of their own, or of several: each has a test below
local apart = { sham = true, prime_ctbs_itbs = true, pas25 = true, pas10 = true }

-- intensities that the table has as text only; pulses in turn
local doses = {
  sici = { "80 RMT", "120 RMT" }, icf = { "80 RMT", "120 RMT" }, lici = { "120 RMT", "120 RMT" },
  sicf = { "120 RMT", "90 RMT" }, itms_iwave = { "120 RMT" }, dtms_h7_ocd = { "100 RMT" },
  bilateral_seq = { "120 RMT" }, itbs1800 = { "80 AMT" },
  triple_online = { "60 MSO" }, ccpas = { "1 MSO", "1 MSO" },
}

--- Is every pulse's intensity within the table's "80 %AMT" or "90-110 %RMT"?
local function assert_dose(row, plan)
  local pulses, turns = pulses_of(plan), doses[row.id]
  local low, high, reference = row.intensity:match("(%d+)%-(%d+) %%(%u+)")
  if not low then
    low, reference = row.intensity:match("(%d+) %%(%u+)")
    high = low
  end
  reference = reference == "MT" and "RMT" or reference
  for i, pulse in ipairs(pulses) do
    if turns then
      assert.are.equal(turns[(i - 1) % #turns + 1], pulse.what)
    else
      local value, of = pulse.what:match("^(%S+) (%u+)$")
      assert.are.equal(reference, of)
      assert.is_true(tonumber(value) >= tonumber(low) and tonumber(value) <= tonumber(high),
        pulse.what .. " for " .. row.intensity)
    end
  end
end

describe("the catalogue", function()
  it("has every row of the table, under its id, with what it says", function()
    assert.are.equal(49, #rows)
    for _, row in ipairs(rows) do
      local protocol = assert(catalogue.find(row.id))
      for key, cell in pairs { name = row.name, doi = row.doi or false, target = row.target,
        dose = row.intensity, reported = row.conventionally_reported or false,
        session = row.session_schedule or false } do
        assert.are.equal(cell, protocol[key] or false, row.id .. ": " .. key)
      end
      -- "Hamada 2008" in the table is a paper that it cites in full elsewhere
      local name, year = (row.citation or ""):match("^(%a+) (%d+)")
      assert.is_true(protocol.cite == row.citation or protocol.cite == citations[row.doi]
        or name and protocol.cite:find(name .. " .*" .. year) ~= nil,
        ("%s is cited as %q, in the table %q"):format(row.id, tostring(protocol.cite), row.citation or "-"))
      assert.is_string(protocol.family, row.id)
      assert.is_string(protocol.aim, row.id)
      assert.are.equal(row.evidence:match("^[%w-]+"), protocol.evidence:match("^[%w-]+"), row.id)
    end
  end)

  it("cites a source for everything but the sham, and has each id once, sorted", function()
    local all, seen, before = catalogue.all(), {}, ""
    for _, protocol in ipairs(all) do
      assert.is_nil(seen[protocol.id], protocol.id)
      assert.is_true(before < protocol.id)
      seen[protocol.id], before = true, protocol.id
      assert.is_true(protocol.cite ~= nil or protocol.id == "sham", protocol.id)
      assert.are.equal(protocol.id, assert(catalogue.find(protocol.id)).id)
      for name, declared in pairs(protocol.params) do
        assert.is_string(declared.help, protocol.id .. ": " .. name)
        if math.type(declared.default) then
          assert.is_truthy(declared.min and declared.max, protocol.id .. ": " .. name .. " has no range")
        end
      end
    end
  end)

  for _, row in ipairs(rows) do
    if not apart[row.id] then
      it(row.id .. " has the pulses, onsets, durations and intensity of its row", function()
        local plan, _, facts = plan_of(row.id, part[row.id])
        local expected, found = arithmetic(row), onsets_of(plan)
        assert.are.equal(tonumber(row.total_pulses), #expected)
        assert.are.equal(#expected, facts.pulses)
        assert.are.same(table.move(expected, 1, 10, 1, {}), table.move(found, 1, 10, 1, {}))
        assert_onsets(expected, found)
        assert_durations(row, facts)
        if row.id ~= "io_curve" then -- several intensities: below
          assert_dose(row, plan)
        end
      end)
    end
  end

  it("has the sessions as data", function()
    local function sessions(id)
      return catalogue.find(id).sessions
    end
    assert.are.same({ per_day = 10, days = 5, total = 50, gap_min = 3000 }, sessions "saint")
    assert.are.same({ per_day = 2, days = 10, total = 20, gap_min = 5400 }, sessions "hf10_loo2007")
    assert.are.same({ per_day = { 1, 2 }, total = 30 }, sessions "hf10_twice_modirrousta")
    assert.are.same({ per_day = 1 }, sessions "hf20_george1995")
    assert.are.equal(29, sessions "dtms_h7_ocd".total)
    -- 50 sessions of 1800
    assert.are.equal(90000, sessions "saint".total * select(3, plan_of "saint").pulses)
  end)

  it("makes no file for an id that is written in another", function()
    local load, made = protocols.load, {}
    finally(function() protocols.load = load end)
    function protocols.load(path, ...) -- luacheck: ignore 122
      made[#made + 1] = path:match("[^/]*$")
      return load(path, ...)
    end
    for id, file in pairs { itbs600 = "itbs.lua", hf10_neurostar = "hf10.lua", sici = "paired_pulse.lua" } do
      made = {}
      assert.are.equal(file, assert(catalogue.find(id)).file:match("[^/]*$"))
      assert.is_true(#made <= 4, table.concat(made, ", "))
    end
    made = {}
    assert.is_nil(catalogue.find "nothing_like_it")
    assert.is_true(#made > 20) -- for the suggestion
  end)

  it("suggests the ids that a wrong one may have meant", function()
    for wrong, right in pairs { dtms = "dtms_h1, dtms_h4_smoking, dtms_h7_ocd", SAINT = "saint",
      itsb600 = "itbs600", hf10_neurstar = "hf10_neurostar" } do
      local found, message = catalogue.find(wrong)
      assert.is_nil(found)
      assert.matches("did you mean ", message, 1, true)
      assert.matches(right, message, 1, true)
    end
    assert.matches("shipped: bilateral_seq, ccpas", select(2, catalogue.find "nothing_like_it"), 1, true)
  end)
end)

describe("protocols of several parts", function()
  it("prime_ctbs_itbs: cTBS, ten minutes from its nominal end, iTBS", function()
    local plan, _, facts = plan_of "prime_ctbs_itbs"
    local expected = arithmetic(row_of.prime_ctbs_itbs)
    for _, us in ipairs(arithmetic(row_of.itbs600)) do
      expected[#expected + 1] = us + 40000000 + 600000000
    end
    assert_onsets(expected, onsets_of(plan))
    assert.are.equal(1200, facts.pulses)
    assert_dose(row_of.prime_ctbs_itbs, plan)
  end)

  it("itbs600x3_15min: three blocks, 15 min from nominal end to onset", function()
    local expected = {}
    for block = 0, 2 do
      for _, us in ipairs(arithmetic(row_of.itbs600)) do
        expected[#expected + 1] = us + block * (192 + 900) * 1000000
      end
    end
    assert_onsets(expected, onsets_of((plan_of "itbs600x3_15min")))
  end)

  for id, isi_us in pairs { pas25 = 25000, pas10 = 10000 } do
    it(id .. ": the nerve every 20 s, the coil a fixed time later, on a channel each", function()
      local plan, _, facts = plan_of(id, { nerve = "30%MSO" })
      local nerve, tms = {}, {}
      for _, us in ipairs(arithmetic(row_of[id])) do
        nerve[#nerve + 1], tms[#tms + 1] = us, us + isi_us
      end
      assert.are.equal(90, #nerve)
      assert_onsets(nerve, onsets_of(plan, "nerve"))
      assert_onsets(tms, onsets_of(plan, "tms"))
      assert.are.equal(180, facts.pulses)
      assert_seconds(("%.6f"):format(1780 + isi_us / 1e6), facts.first_to_last_s, "first to last pulse")
      assert_seconds(row_of[id].whole_cycles_s, facts.whole_cycles_s, "whole cycles")
      assert.are.equal("30 MSO", pulses_of(plan)[1].what)
      assert.are.equal("120 RMT", pulses_of(plan)[2].what)
    end)
  end

  it("ccpas: the second site 8 ms after the first, on channels of their own", function()
    local plan = plan_of("ccpas", { first = "90%RMT", second = "120%RMT" })
    local first, second = onsets_of(plan, "PMv"), onsets_of(plan, "M1")
    assert.are.equal(100, #first)
    for i = 1, 100 do
      assert.are.same({ (i - 1) * 5000000, (i - 1) * 5000000 + 8000 }, { first[i], second[i] })
    end
  end)

  it("qps: the whole family of intervals", function()
    for isi, us in pairs { ["1.5"] = 1500, ["10"] = 10000, ["30"] = 30000, ["100"] = 100000,
      ["1250"] = 1250000 } do
      local found = onsets_of((plan_of("qps5", { isi = isi })))
      assert.are.equal(1440, #found)
      assert.are.same({ 0, us, 2 * us, 3 * us, 5000000 }, table.move(found, 1, 5, 1, {}))
    end
  end)

  it("qtbs: 360 bursts in one train at 90 %AMT, and the variant at 200 Hz", function()
    local plan, protocol, facts = plan_of "qtbs"
    assert.are.same({ 0, 1500, 3000, 4500, 200000, 201500 }, table.move(onsets_of(plan), 1, 6, 1, {}))
    assert.are.equal(1440, facts.pulses)
    assert.are.equal("90 AMT", pulses_of(plan)[1].what)
    assert.matches("rate of the bursts", protocol.unconfirmed, 1, true)
    local slower = onsets_of((plan_of("qtbs", { isi = "5" })))
    assert.are.same({ 0, 5000, 10000, 15000 }, table.move(slower, 1, 4, 1, {}))
  end)

  it("sici: 80 %AMT where an AMT is known, and nothing else changes with it", function()
    local function cs(id, given, thresholds)
      local protocol = assert(catalogue.find(id))
      return tostring(assert(protocols.values(protocol, given, thresholds)).cs)
    end
    assert.are.equal("80 %RMT", cs("sici", {}))
    assert.are.equal("80 %RMT", cs("sici", {}, {}))
    assert.are.equal("80 %AMT", cs("sici", {}, { amt = 40 }))
    assert.are.equal("70 %RMT", cs("sici", { cs = "70%RMT" }, { amt = 40 }))
    assert.are.equal("80 %RMT", cs("icf", {}, { amt = 40 }))
    assert.are.equal("120 %RMT", cs("lici", {}, { amt = 40 }))
    assert.are.equal("120 %RMT", cs("sicf", {}, { amt = 40 }))
  end)

  it("of measurement have no schedule: a second run the same day is ordinary", function()
    for _, id in ipairs { "io_curve", "sici", "rmt_rossini", "tmseeg_sp" } do
      assert.is_nil(assert(catalogue.find(id)).sessions, id)
    end
  end)

  it("lf1_right_dlpfc cites no paper with another protocol", function()
    local protocol = catalogue.find "lf1_right_dlpfc"
    assert.is_nil(protocol.cite:find "Klein")
    assert.is_nil(protocol.doi)
  end)
end)

describe("random protocols", function()
  --- Trigger to trigger in seconds: the least, the most and the mean.
  local function spread(list)
    local least, most, sum = math.huge, 0, 0
    for i = 2, #list do
      local gap = (list[i] - list[i - 1]) / 1e6
      least, most, sum = math.min(least, gap), math.max(most, gap), sum + gap
    end
    return least, most, sum / (#list - 1)
  end

  local function tally(pulses)
    local counts = {}
    for _, pulse in ipairs(pulses) do
      counts[pulse.what] = (counts[pulse.what] or 0) + 1
    end
    return counts
  end

  local function whats(pulses)
    local list = {}
    for i, pulse in ipairs(pulses) do
      list[i] = pulse.what
    end
    return table.concat(list, ",")
  end

  local function drawn(id, given, seed)
    return pulses_of((plan_of(id, given, seed)), seed)
  end

  it("io_curve: every intensity ten times, shuffled, 4.5 to 5.5 s apart", function()
    local pulses, onsets = drawn("io_curve", {}, 7), {}
    for i, pulse in ipairs(pulses) do
      onsets[i] = pulse.us
    end
    assert.are.same({ ["90 RMT"] = 10, ["100 RMT"] = 10, ["110 RMT"] = 10, ["120 RMT"] = 10 }, tally(pulses))
    local least, most, mean = spread(onsets)
    assert.is_true(least >= 4.5 and most <= 5.5 and most - least > 0.5)
    assert.is_true(mean > 4.8 and mean < 5.2)
    local sorted = ("90 RMT,"):rep(10) .. ("100 RMT,"):rep(10)
    assert.are_not.equal(sorted, whats(pulses):sub(1, #sorted))
    assert.are.same({ ["50 MSO"] = 3, ["60 MSO"] = 3 },
      tally(drawn("io_curve", { levels = "50 60", of = "MSO", repeats = "3" }, 1)))
  end)

  it("are the same for the same seed, and others for another", function()
    for _, id in ipairs { "io_curve", "tmseeg_sp", "paired_pulse_block" } do
      assert.are.same(drawn(id, {}, 5), drawn(id, {}, 5))
      assert.are_not.same(drawn(id, {}, 5), drawn(id, {}, 6))
    end
    assert.are_not.equal(whats(drawn("io_curve", {}, 5)), whats(drawn("io_curve", {}, 6)))
  end)

  it("sici with single trials: both conditions, in an order of the seed, the test pulse at 2 ms", function()
    local given = { singles = "20", shortest = "4.1", longest = "6.1" }
    local pulses = drawn("sici", given, 3)
    assert.are.same({ ["80 RMT"] = 20, ["120 RMT"] = 40 }, tally(pulses))
    local tests = {}
    for i, pulse in ipairs(pulses) do
      if pulse.what == "120 RMT" then
        tests[#tests + 1] = pulse.us
      else
        assert.are.equal(2000, pulses[i + 1].us - pulse.us)
      end
    end
    local least, most = spread(tests) -- from test pulse to test pulse is from trigger to trigger
    assert.is_true(least >= 4.1 and most <= 6.1 and most - least > 1)
    assert.are_not.equal(whats(pulses), whats(drawn("sici", given, 4)))
  end)

  it("paired_pulse_block: as many trials of each condition, each with its mark", function()
    local plan, _, facts = plan_of("paired_pulse_block", { lici = "5" }, 2)
    assert.are.equal(20 + 2 * 20 + 2 * 20 + 2 * 5, facts.pulses)
    local schedule, marks, intervals, previous = core.schedule(plan, 2), {}, {}, nil
    for kind, us, _, what in function() return schedule:next() end do
      if kind == "mark" then
        marks[what] = (marks[what] or 0) + 1
        previous = { what, us }
      else
        intervals[previous[1]] = us - previous[2] -- of the trial's last pulse
      end
    end
    assert.are.same({ ["TS alone"] = 20, SICI = 20, ICF = 20, LICI = 5 }, marks)
    assert.are.same({ ["TS alone"] = 0, SICI = 2000, ICF = 12000, LICI = 100000 }, intervals)
  end)
end)

describe("sham", function()
  it("has the active protocol's pulses and times, with one low intensity", function()
    local active, sham = pulses_of((plan_of "itbs1200")), pulses_of((plan_of("sham", { of = "itbs1200" })))
    assert.are.equal(1200, #sham)
    for i, pulse in ipairs(sham) do
      assert.are.same({ us = active[i].us, channel = active[i].channel, what = "20 MSO" }, pulse)
    end
    assert.are.equal(90, #pulses_of((plan_of("sham", { of = "itbs600", with = "trains=3" }))))
  end)

  it("has the drawn order and intervals of the active protocol with the same seed", function()
    local id = "paired_pulse_block"
    local active, sham = pulses_of((plan_of(id, {}, 9)), 9),
      pulses_of((plan_of("sham", { of = id, intensity = "5%MSO" }, 9)), 9)
    assert.are.equal(#active, #sham)
    for i, pulse in ipairs(sham) do
      assert.are.same({ active[i].us, "5 MSO" }, { pulse.us, pulse.what })
    end
    -- an active plan made afterwards has its own intensities again
    assert.are.same(active, pulses_of((plan_of(id, {}, 9)), 9))
  end)

  it("is refused above 20 %MSO, of itself and of what nobody confirmed", function()
    local protocol = catalogue.find "sham"
    assert.is_nil(protocols.values(protocol, { intensity = "21%MSO" }))
    for given, text in pairs { sham = "a sham of a sham", hf5_m1_1800 = "unconfirmed",
      nope = "no protocol", sici_icf = "sici_icf has no plan of its own" } do
      local plan, message = protocols.build(protocol, assert(protocols.values(protocol, { of = given })))
      assert.is_nil(plan)
      assert.matches(text, message, 1, true)
    end
  end)
end)
