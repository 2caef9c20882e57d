-- moonpulse import bids: rows of nibs.tsv as plans. What was exported comes back as the same plan file, byte
-- for byte, and its numbers are those of the rows.
local bids = require "bids"
local catalogue = require "moonpulse.protocol.catalogue"
local cjson = require "cjson"
local imports = require "moonpulse.bids.import"
local plan_file = require "moonpulse.protocol.plan_file"
local protocols = require "moonpulse.protocol"
local read = require "moonpulse.record.read"
local recipe = require "moonpulse.bids.recipe"
local rows = require "moonpulse.bids.rows"
local shell = require "shell"
local tables = require "moonpulse.bids.tables"
local tsv = require "moonpulse.bids.tsv"

--- The tables of a plan file that was given whole.
local function exported(text)
  local made, found, is_nerve = bids.rows(text)
  local files = {}
  found.text = text
  tables.write(made, { manifest = { thresholds = { rmt = 50, amt = 50 }, device = { name = "magventure" } },
    is_nerve = is_nerve, description = "x", task = "rest",
    own = { Plan = recipe.of(found, made, is_nerve) } }, {}, "s", files)
  return files
end

local function imported(files, only)
  return imports.text(tsv.parse(files["s_nibs.tsv"]), cjson.decode(files["s_nibs.json"]),
    tsv.parse(files["s_events.tsv"]), only)
end

--- Onsets, channels and intensities of a plan.
local function pulses_of(text)
  local found = assert(plan_file.read(text, "x"))
  local onsets_ns, actions = rows.pulses(found.plan, found.seed)
  local list = {}
  for number, onset_ns in ipairs(onsets_ns) do
    local action = actions[number]
    list[number] = ("%d %g %s"):format(onset_ns // 1000, action.intensity, action.reference)
  end
  return list, actions
end

describe("import bids", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("gives of each shipped protocol the plan that moonpulse compile writes, with its hash", function()
    local count = 0
    for _, protocol in ipairs(catalogue.all()) do
      local given = protocol.id
      for _, name in ipairs(protocols.open(protocol, {})) do
        given = ("%s -p %s=45%%MSO"):format(given, name)
      end
      local text = bids.compile(folder, given)
      local back, whole = imported(exported(text))
      assert.are.equal(text, back, protocol.id)
      assert.is_true(whole)
      count = count + 1
    end
    assert.are.equal(50, count)
  end)

  --- A protocol of an author's own, as a plan file.
  local function own(body, more)
    shell.write(folder .. "/mine.lua", ([[
      local mp = require "moonpulse"
      return mp.protocol { id = "mine", name = "mine", %s plan = function()
        %s
      end }]]):format(more or "", body))
    return bids.compile(folder, folder .. "/mine.lua")
  end

  local alone = [[
    local q = mp.pulse(mp.rmt(110))
    return mp.trials { of = { q:label "a", q:label "b", q:label "a" }, every = 5 }]]
  local nerve = [[
    local coil = mp.pulse(mp.rmt(110)):at "coil"
    local pas = (mp.pulse(mp.mso(30)):at "median" .. mp.rest(mp.ms(25)) .. coil):label "PAS"
    return mp.trials { of = { pas, coil:label "alone", pas }, every = 5 } ]]

  it("gives plans of authors again, byte for byte: labels, trials, blocks, channels, silence, drawn rests",
    function()
    for _, body in ipairs {
      alone,
      "return mp.pulse(mp.rmt(110)):label 'TS':times(4, { every = 5 })",
      "return (mp.rest(2) .. mp.trials { of = { mp.pulse(mp.rmt(90)), mp.pulse(mp.amt(90)) }, every = 5 })"
        .. ":block():times(2, { gap = 30 })",
      "return mp.pulse(mp.mso(45.5)) .. mp.rest(3) .. mp.mark 'half' .. mp.pulse(mp.mso(46)) .. mp.rest(1)",
      "return mp.pulse(mp.rmt(70.5)):label 'a b' .. mp.rest(3) .. mp.pulse(mp.rmt(70.5)):label 'ab'",
      "return mp.pulse(mp.rmt(1 / 3 * 100)) .. mp.rest(3) .. mp.pulse(mp.rmt(60)):label '{count mine 1}'",
      [[local sici = mp.pair { isi = mp.ms(2), intensity = { mp.rmt(80), mp.rmt(120) } }:label "SICI"
        local ts = mp.pulse(mp.rmt(120)):label "TS"
        return mp.trials { of = mp.shuffle { ts, sici, ts, sici }, shortest = 7, longest = 9 } ]],
      nerve,
      (nerve:gsub("mp.mso%(30%)", "mp.rmt(30)")),
    } do
      local text = own(body, "nerve = { 'median' },")
      local back, whole = imported(exported(text))
      assert.are.equal(text, back)
      assert.is_true(whole)
    end
  end)

  it("has no plan to offer that the tables do not stand for: it makes one of what they say", function()
    local text = own(alone)
    for _, change in ipairs {
      { "s_events.tsv", "(\n10\t0\tmine_a\t[^\n]*)\t10\t", "%1\t12\t", "12000000 110 RMT" },
      { "s_nibs.tsv", "(mine_b[^\n]*\trMT\t)1%.1", "%11.2", "5000000 120 RMT" },
      { "s_events.tsv", "\n5\t0\tmine_b[^\n]*", "", "10000000 110 RMT" },
    } do
      local files = exported(text)
      local count
      files[change[1]], count = files[change[1]]:gsub(change[2], change[3])
      assert.are.equal(1, count, change[2])
      local back, whole = imported(files)
      assert.is_false(whole)
      local all = ", " .. table.concat((pulses_of(back)), ", ") .. ","
      assert.is_truthy(all:find(", " .. change[4] .. ",", 1, true), all)
    end
  end)

  it("takes a table whose conditions are no names of ours: such pulses have none", function()
    local files = exported(own(nerve, "nerve = { 'median' },"))
    files["s_nibs.json"] = files["s_nibs.json"]:gsub("\"Plan\"", "\"Other\"")
    local conditions = {}
    for _, name in ipairs { "PAS", ("x"):rep(63), ("x"):rep(64), 'the "PAS"' } do
      local changed, count = files["s_events.tsv"]:gsub("(\t%l+\t)PAS\t", "%1" .. name .. "\t")
      assert.is_true(count > 0)
      local text = imported { ["s_nibs.tsv"] = files["s_nibs.tsv"], ["s_nibs.json"] = files["s_nibs.json"],
        ["s_events.tsv"] = changed }
      local found = assert(plan_file.read(text, "x"))
      local pulses = bids.pulses(found.plan, found.seed)
      local condition = pulses[1].condition or "none"
      conditions[#conditions + 1] = condition == name and "its name" or condition
      assert.are.equal(5, #pulses)
    end
    assert.are.same({ "its name", "its name", "none", "none" }, conditions)
  end)

  it("keeps conditions and channels where the plan itself cannot come back", function()
    local files = exported(own(nerve, "nerve = { 'median' },"))
    files["s_nibs.json"] = files["s_nibs.json"]:gsub("\"Plan\"", "\"Other\"")
    local back, whole = imported(files)
    assert.is_false(whole)
    assert.matches("\nnerve \"median\"\n", back)
    local list, actions = pulses_of(back)
    local found, met = assert(plan_file.read(back, "x")), {}
    for number, pulse in ipairs(bids.pulses(found.plan, found.seed)) do
      met[number] = ("%s %s %s"):format(list[number], actions[number].channel, pulse.condition)
    end
    assert.are.same({ "0 30 MSO median PAS", "25000 110 RMT coil PAS", "5000000 110 RMT coil alone",
      "10000000 30 MSO median PAS", "10025000 110 RMT coil PAS" }, met)
  end)

  it("keeps the condition of each pulse of an experiment, and of drawn trials, in nibs/, beh/ and the import",
    function()
    shell.write(folder .. "/ex.lua", [[
      local mp = require "moonpulse"
      return mp.experiment { name = "ex", run = function(run)
        local stim = run:device()
        stim:arm()
        for i, name in ipairs { "hot", "cold", "hot" } do
          stim:fire(mp.pulse { intensity = mp.mso(40 + i) }:label(name))
          run:sleep(6)
        end
        stim:fire(mp.pulse { intensity = mp.mso(40) })
      end }]])
    shell.write(folder .. "/drawn.lua", [[
      local mp = require "moonpulse"
      local sici = mp.pair { isi = mp.ms(2), intensity = { mp.mso(30), mp.mso(50) } }
      return mp.protocol { id = "drawn", name = "d", plan = function()
        return mp.trials { of = mp.shuffle { mp.pulse(mp.mso(50)), sici, sici:label "s" }, shortest = 7,
          longest = 9 }
      end }]])
    for _, what in ipairs { "ex.lua", "drawn.lua --device sim:bistim" } do
      local run = bids.run(folder, ("%s/%s --seed 3"):format(folder, what))
      local files = bids.export({}, run, { sub = "01" })
      local told, events = {}, read.parse(shell.read(run .. "/events.tsv"), "x")
      for _, pulse in ipairs(events.pulses) do
        told[#told + 1] = pulse.trial_type
      end
      local nibs, timeline, sidecar, deliveries
      for path, text in pairs(files) do
        nibs = path:find("_nibs%.tsv$") and text or nibs
        sidecar = path:find("_nibs%.json$") and cjson.decode(text) or sidecar
        deliveries = path:find("nibs/.*_events%.tsv$") and text or deliveries
        timeline = path:find("beh/.*_events%.tsv$") and text or timeline
      end
      local list = {}
      for _, pulse in ipairs(read.parse(timeline, "x").pulses) do
        list[#list + 1] = pulse.trial_type
      end
      assert.are.same(told, list)
      sidecar.Moonpulse.Plan = nil
      local text = imports.text(tsv.parse(nibs), sidecar, tsv.parse(deliveries))
      local back = assert(plan_file.read(text, "x"))
      list = {}
      for i, pulse in ipairs(bids.pulses(back.plan, back.seed)) do
        list[i] = pulse.trial_type
      end
      assert.are.same(told, list)
      assert.is_true(#list >= 4)
    end
  end)

  it("takes the numbers from the rows: what is changed there is changed in the plan", function()
    local text = bids.compile(folder, "itbs600x3_15min")
    local function changed(from, to)
      local files = exported(text)
      local count
      files["s_nibs.tsv"], count = files["s_nibs.tsv"]:gsub(from, to)
      assert.are.equal(1, count)
      local back, whole = imported(files)
      assert.is_false(whole)
      return back
    end
    assert.matches("repeat 3 21 every 10/1", changed("\t20\t10000\t", "\t21\t10000\t"), 1, true)
    assert.matches("repeat 1 3 train 1/40", changed("\t3\t20\t", "\t3\t25\t"), 1, true)
    assert.matches("pulse 75 RMT", changed("\trMT\t0.7\t", "\trMT\t0.75\t"), 1, true)
    assert.matches("gap 1000/1", changed("\t1092000\t", "\t1192000\t"), 1, true)
    assert.matches("itbs.lua:32", changed("\t20\t10000\t", "\t21\t10000\t"), 1, true)
  end)

  it("gives of rows without a recipe the pulses that they say", function()
    for _, given in ipairs { "itbs600", "sici", "ccpas -p first=45%MSO -p second=58%MSO",
      "pas25 -p nerve=20%MSO", "prime_ctbs_itbs", "itms_iwave" } do
      local text = bids.compile(folder, given)
      local files = exported(text)
      files["s_nibs.json"] = files["s_nibs.json"]:gsub("\"Moonpulse\"", "\"Other\"")
      local back, whole = imported(files)
      assert.is_false(whole)
      assert.are.same((pulses_of(text)), (pulses_of(back)), given)
    end
    local files = exported(bids.compile(folder, "pas25 -p nerve=20%MSO"))
    files["s_nibs.json"] = files["s_nibs.json"]:gsub("\"Moonpulse\"", "\"Other\"")
    assert.matches("\nnerve \"Electrode_nerve\"\n", (imported(files)))
  end)

  it("gives the draft's own rows", function()
    local function row(text)
      return imports.text(assert(imports.written(text)), {})
    end
    local itbs = row("nibs_event_id=iTBS nibs_type=TMS nibs_element_id=Coil_1 stimulus_intensity=32 "
      .. "pattern1_count=3 pattern1_interval=20 pattern2_count=10 pattern2_interval=200 pattern3_count=20 "
      .. "pattern3_interval=10000 intensity_reference=aMT intensity_scaling=0.8")
    assert.are.same((pulses_of(bids.compile(folder, "itbs600"))), (pulses_of(itbs)))
    local sici = pulses_of(row("nibs_event_id=SICI nibs_type=TMS pattern1_count=2 pattern1_interval=2 "
      .. "pattern1_intensity=35|58 intensity_reference=rMT|1mV intensity_scaling=0.7|1"))
    assert.are.same({ "0 70 RMT", "2000 58 MSO" }, sici)
    local list, actions = pulses_of(row("nibs_event_id=ccPAS nibs_type=TMS nibs_element_id=Coil_1|Coil_2 "
      .. "pattern1_count=2 pattern1_interval=8 pattern1_intensity=45|58 pattern2_count=100 "
      .. "pattern2_interval=5000 intensity_reference=rMT|1mV intensity_scaling=0.9|1"))
    assert.are.same({ 200, "0 90 RMT", "8000 58 MSO", "495008000 58 MSO" }, { #list, list[1], list[2],
      list[200] })
    assert.are.same({ "Coil_1", "Coil_2" }, { actions[1].channel, actions[2].channel })
    assert.are.same({ "0 50 MSO", "33333 50 MSO", "66666 50 MSO" }, (pulses_of(row(
      "nibs_event_id=x stimulus_intensity=50 pattern1_count=3 pattern1_frequency=30"))))
  end)

  it("refuses what is no plan, and says which row and why", function()
    local function refusal(text)
      local ok, problem = pcall(imports.text, assert(imports.written(text)), {})
      assert.is_false(ok)
      return problem.message
    end
    assert.matches("x: nibs_type tES: a plan is made of pulses", refusal("nibs_event_id=x nibs_type=tES"))
    assert.matches("x: it has no intensity", refusal("nibs_event_id=x nibs_type=TMS"))
    assert.matches("x: pattern1_count is no whole number", refusal("nibs_event_id=x pattern1_count=2.5"))
    assert.matches("x: pattern1 has neither an interval", refusal("nibs_event_id=x pattern1_count=2"))
    assert.matches("x: 2 intensities or elements, and pattern1_count is 3",
      refusal("nibs_event_id=x pattern1_count=3 pattern1_interval=2 pattern1_intensity=35|58"))
  end)

  it("is a command: a file, one row of it, a row written out", function()
    local run = bids.run(folder, "prime_ctbs_itbs --amt 50 --unconfirmed")
    local files = bids.export({}, run, { sub = "01" })
    for path, text in pairs(files) do
      local name = path:match("^sub%-01/nibs/.*run%-1_(.*)$")
      if name then
        shell.write(folder .. "/" .. name, text)
      end
    end
    os.rename(folder .. "/nibs.tsv", folder .. "/sub_nibs.tsv")
    os.rename(folder .. "/nibs.json", folder .. "/sub_nibs.json")
    os.rename(folder .. "/events.tsv", folder .. "/sub_events.tsv")
    local status, out, err = shell.moonpulse(folder, ("import bids %s/sub_nibs.tsv -o "
      .. "%s/back.plan"):format(folder,
      folder))
    assert.are.same({ 0, "" }, { status, err })
    assert.are.equal(shell.read(run .. "/resolved.plan"), shell.read(folder .. "/back.plan"))
    assert.matches("back.plan: 1,200 pulses, SHA-256 " .. plan_file.read(shell.read(folder .. "/back.plan"),
      "x").sha256 .. ": the plan that was run", out, 1, true)
    status, out = shell.moonpulse(folder, ("import bids %s/sub_nibs.tsv:prime_ctbs_itbs_1 -o "
      .. "-"):format(folder))
    assert.are.equal(0, status)
    assert.matches("\nid \"prime_ctbs_itbs_1\"\n.*\npulses 600\n", out)
    status, out = shell.moonpulse(folder, "import bids 'nibs_event_id=mine pattern1_count=10 "
      .. "pattern1_interval=100 intensity_reference=rMT intensity_scaling=1.1' -o -")
    assert.are.equal(0, status)
    assert.matches("pulse 110 RMT.*repeat 1 10 train 1/10", out)
    for what, wanted in pairs { ["/no.tsv"] = "cannot open", [folder .. "/sub_events.tsv"] = "is no "
      .. "%*_nibs.tsv",
      [folder .. "/sub_nibs.tsv:other"] = "there is no row other" } do
      status, out, err = shell.moonpulse(folder, "import bids " .. what .. " -o -")
      assert.are.same({ 2, "" }, { status, out })
      assert.matches(wanted, err)
    end
  end)
end)
