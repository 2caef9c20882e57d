-- moonpulse import bids: rows of nibs.tsv as plans. What was exported comes back as the same plan file, byte
-- for byte, and its numbers are those of the rows.
local bids = require "bids"
local catalogue = require "moonpulse.protocol.catalogue"
local cjson = require "cjson"
local imports = require "moonpulse.bids.import"
local plan_file = require "moonpulse.protocol.plan_file"
local protocols = require "moonpulse.protocol"
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
    is_nerve = is_nerve, description = "x", task = "rest", own = { Plan = recipe.of(found, made) } }, {}, "s",
      files)
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

  local drawn = { io_curve = true, paired_pulse_block = true, tmseeg_sp = true }

  it("gives of each shipped protocol the plan that moonpulse compile writes, with its hash", function()
    local count = 0
    for _, protocol in ipairs(catalogue.all()) do
      local given = protocol.id
      for _, name in ipairs(protocols.open(protocol, {})) do
        given = ("%s -p %s=45%%MSO"):format(given, name)
      end
      if not drawn[protocol.id] then
        local text = bids.compile(folder, given)
        local back, whole = imported(exported(text))
        assert.are.equal(text, back, protocol.id)
        assert.is_true(whole)
        count = count + 1
      end
    end
    assert.are.equal(47, count)
  end)

  it("takes the numbers from the rows: what is changed there is changed in the plan", function()
    local text = bids.compile(folder, "itbs600x3_15min")
    local function changed(from, to)
      local files = exported(text)
      local count
      files["s_nibs.tsv"], count = files["s_nibs.tsv"]:gsub(from, to)
      assert.are.equal(1, count)
      return (imported(files))
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
