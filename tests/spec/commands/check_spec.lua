--- moonpulse check on plans that chance decides on, its options, and its last line.
local catalogue = require "moonpulse.protocol.catalogue"
local cjson = require "cjson"
local core = require "moonpulse.core"
local mp = require "moonpulse"
local orders = require "moonpulse.safety.orders"
local protocols = require "moonpulse.protocol"
local shell = require "shell"
local worst = require "moonpulse.safety.worst"

local folder
setup(function()
  folder = shell.folder()
end)
teardown(function()
  shell.remove(folder)
end)

local function file(name, body)
  shell.write(folder .. "/" .. name, 'local mp = require "moonpulse"\nreturn ' .. body)
end

local function check(text, ...)
  return shell.moonpulse(folder, "check " .. folder .. "/" .. text:format(...))
end

--- The report of check as data; text ends with --json.
local function data(text)
  local _, out = check(text)
  return cjson.decode(out)
end

local function last_line(text)
  return text:match("([^\n]*)\n$")
end

local function onsets(plan, seed)
  local schedule, list = core.schedule(plan, seed), {}
  for kind, _, _, _, ns in schedule.next, schedule do
    list[#list + 1] = kind == "pulse" and ns or nil
  end
  return list
end

describe("drawn rests", function()
  local train = mp.train { pulses = 3, hz = 20, intensity = mp.rmt(90) }
  local plan = (train .. mp.rest { min = 0.3, max = 12 } .. mp.pulse(mp.rmt(80)):at "2"
    .. mp.rest { min = "1/3", max = 2 }) * 4
    .. mp.together { a = train .. mp.rest { min = 1, max = 2 } .. train, b = mp.rest(9) .. train }

  it("are put at one place of their range, everything else stays", function()
    for fraction, total in pairs { [0] = 0.3 + 1 / 3, [1] = 14, [0.5] = 6.15 + 7 / 6 } do
      local fixed = worst.with_rests(plan, fraction)
      assert.is_false(fixed:totals().random)
      assert.are.equal(plan:totals().pulses, fixed:totals().pulses)
      local list = onsets(fixed, 1)
      assert.is_true(math.abs(list[5] / 1e9 - (0.15 + total)) < 1e-5, fraction)
      local drawn = worst.with_rests(plan, fraction, true)
      assert.is_true(drawn:totals().random)
      for seed = 1, 5 do
        for i, ns in ipairs(onsets(drawn, seed)) do
          assert.is_true(math.abs(ns - list[i]) <= 2)
        end
      end
    end
  end)

  it("keep the script's lines and labels", function()
    local fixed = worst.with_rests(train .. mp.rest { min = 1, max = 2 }, 0)
    assert.matches("check_spec.lua:", fixed:child(1):view().origin, 1, true)
    assert.are.equal("train", fixed:child(1):view().label)
  end)

  it("are judged at their shortest, whatever seed 1 draws; and it is said", function()
    file("gap.lua", [[mp.protocol { name = "gap", plan = function()
      local t = mp.train { pulses = 20, hz = 20, intensity = mp.rmt(110) }
      return (t .. mp.rest { min = 0.95, max = 400 }) * 2 .. t
    end }]])
    local status, out = check("gap.lua --rmt 50")
    assert.are.equal(3, status)
    assert.matches("judged         worst case: every drawn rest at its shortest", out, 1, true)
    assert.matches("OVER%s+gap between trains: 0.95 s,.-%(every drawn rest at its shortest%)\n", out)
    assert.matches("^verdict        OVER", last_line(out))
    local _, text = check("gap.lua --rmt 50 --json --seed 1")
    local report = cjson.decode(text)
    -- what run --seed 1 plays is judged, and what another seed may play is told beside it
    assert.are.same({ "within", "one seed" }, { report.verdict, report.judged.how })
    assert.are.same({ 1, "OVER", "worst case" }, { report.seed.seed, report.seed.others, report.seed.how })
    file("gap5.lua", [[mp.protocol { name = "gap", plan = function()
      local t = mp.train { pulses = 20, hz = 20, intensity = mp.rmt(110) }
      return (t .. mp.rest { min = 5, max = 400 }) * 2 .. t
    end }]])
    assert.are.equal("within", data("gap5.lua --rmt 50 --json").verdict)
  end)

  it("are judged with --seed N as run --seed N judges them: the same status, verdict and words", function()
    file("seeds.lua", [[mp.protocol { name = "seeds", plan = function()
      local t = mp.train { pulses = 12, hz = 20, intensity = mp.rmt(110) }
      return t .. mp.rest { min = 0.2, max = 9 } .. t
    end }]])
    local seen = {}
    for seed = 1, 12 do
      local options = ("seeds.lua --rmt 50 --device sim:rapid --seed %d"):format(seed)
      local status, text = check(options .. " --json")
      local report = cjson.decode(text)
      local out = ("%s/runs%d"):format(folder, seed)
      local ran, _, err = shell.moonpulse(folder, ("run %s/%s --speed max --out %s"):format(folder, options,
        out))
      assert.are.equal(ran == 3, report.device.verdict == "OVER", err)
      if ran == 0 then
        local manifest = cjson.decode(shell.read(out .. "/" .. shell.names(out)[1] .. "/manifest.json"))
        assert.are.equal(manifest.safety.verdict, report.layers.guidelines)
      else
        assert.is_truthy(err:find(report.device.message, 1, true), err)
      end
      assert.are.equal(report.verdict == "OVER" and 3 or 0, status)
      assert.are.equal("OVER", report.seed.others) -- as without --seed
      seen[report.device.verdict .. report.layers.guidelines] = true
    end
    assert.is_truthy(next(seen, (next(seen)))) -- of more than one kind
  end)

  it("are judged at their longest too, and by the device's limits", function()
    -- 7 Hz is judged as 10 Hz: 45 pulses take 6.4 s of 5; at 10 Hz they take 4.5
    local slower = (mp.pulse(mp.rmt(100)) .. mp.rest { min = 0.1, max = 1 / 7 }) * 45
    local cases = worst.cases { plan = slower, drawn = false, seed = 1 }
    local judge = require "moonpulse.safety.judge"
    local report = worst.judge(cases, function(case)
      return judge.plan { plan = case.plan, seed = case.seed, thresholds = { rmt = 50 } }
    end)
    assert.are.equal("beyond tested", report.verdict)
    file("fast.lua", [[mp.protocol { name = "fast", plan = function()
      return (mp.pulse(mp.mso(30)) .. mp.rest { min = 0.009, max = 6 }) * 5 .. mp.pulse(mp.mso(30))
    end }]])
    local status, out = check("fast.lua --rmt 50")
    assert.are.equal(3, status)
    assert.matches("OVER%s+magventure: .-9 ms apart.-%(every drawn rest at its shortest%)", out)
  end)
end)

describe("shuffled lists", function()
  local function all_of(list)
    local found, all = orders.of(function(arrange) arrange(list) end)
    local seen, count = {}, 0
    for _, order in ipairs(found) do
      local text = table.concat(order.arrange()(list), "")
      count = count + (seen[text] and 0 or 1)
      seen[text] = true
    end
    return count, all, seen
  end

  local function count_of(list)
    local count, all = all_of(list)
    return count, all
  end

  it("are judged in all their orders where these are few", function()
    assert.are.same({ 6, true }, { count_of { "a", "b", "c" } })
    assert.are.same({ 10, true }, { count_of { "a", "a", "b", "b", "b" } })
    assert.are.same({ 120, true }, { count_of { "a", "b", "c", "d", "e" } })
  end)

  it("are else judged with any two kinds next to each other, and each in one go", function()
    local list = {}
    for i = 1, 40 do
      list[i] = ("abcd"):sub((i - 1) % 4 + 1, (i - 1) % 4 + 1)
    end
    local _, all, seen = all_of(list)
    assert.is_false(all)
    for a in ("abcd"):gmatch "." do
      for b in ("abcd"):gmatch "." do
        local found = false
        for text in pairs(seen) do
          assert.are.equal(40, #text)
          found = found or text:sub(1, 2) == a .. b
        end
        assert.is_true(found, a .. b)
      end
    end
    assert.is_true(seen["ddddddddddaaaaaaaaaabbbbbbbbbbcccccccccc"])
  end)

  it("are found where one order of many is over: the weak train between, or not", function()
    -- a 20 Hz train at 110 % may not follow another one within a second; the quiet trials part them
    file("order.lua", [[mp.protocol { name = "order", params = { every = { default = 1.2 } },
      plan = function(p)
      local list = {}
      for i = 1, 30 do list[i] = mp.pulse(mp.rmt(50)) end
      for i = 31, 32 do list[i] = mp.train { pulses = 4, hz = 20, intensity = mp.rmt(110) } end
      return mp.trials { of = mp.shuffle(list), every = p.every }
    end }]])
    local report = data("order.lua --rmt 50 --json")
    assert.are.equal("many orders", report.judged.how)
    assert.are.equal("OVER", data("order.lua --rmt 50 --json -p every=1.19").verdict)
    assert.are.equal("within", data("order.lua --rmt 50 --json -p every=6").verdict)
  end)

  it("leave the drawn orders of a run as they were", function()
    local protocol = assert(catalogue.find "paired_pulse_block")
    local values = protocols.values(protocol, {})
    local before = onsets(protocols.build(protocol, values, 7), 7)
    protocols.build(protocol, values, 7, nil, function(list) return list end)
    assert.are.same(before, onsets(protocols.build(protocol, values, 7), 7))
  end)
end)

describe("what cannot be played otherwise", function()
  it("is judged as it is: a plan file's seed, a plan without chance", function()
    file("gap.lua", [[mp.protocol { id = "gap", name = "gap", plan = function()
      local t = mp.train { pulses = 20, hz = 20, intensity = mp.rmt(110) }
      return t .. mp.rest { min = 0.95, max = 4000 } .. t
    end }]])
    shell.moonpulse(folder, ("compile %s/gap.lua --seed 1 -o %s/gap.plan"):format(folder, folder))
    local report = data("gap.plan --rmt 50 --json")
    assert.are.same({ "within", "one seed" }, { report.verdict, report.judged.how })
    local _, text = shell.moonpulse(folder, "check hf10_neurostar --rmt 40 --json")
    assert.are.equal("the schedule", cjson.decode(text).judged.how)
  end)
end)

describe("the last line and --json", function()
  it("give the gravest verdict of all layers", function()
    file("pair.lua", "mp.pair { isi = mp.ms(3), intensity = { mp.rmt(80), mp.rmt(120) } }")
    local status, out = check("pair.lua --rmt 45")
    assert.are.equal(3, status)
    assert.matches("^verdict%s+OVER %(device OVER, guidelines within%)", last_line(out))
    local _, text = check("pair.lua --rmt 45 --json")
    local report = cjson.decode(text)
    assert.are.same({ "OVER", "OVER", "within" }, { report.verdict, report.layers.device,
      report.layers.guidelines })
    -- without a threshold the device's limits cannot be checked, and that is not "within"
    status, out = check("pair.lua")
    assert.are.equal(6, status)
    assert.matches("^verdict%s+not checked %(device not checked", last_line(out))
    file("fine.lua", "mp.train { pulses = 5, hz = 20, intensity = mp.rmt(100) }")
    shell.write(folder .. "/lab.lua", "return { pulses_per_session = 4 }")
    status, out = check("fine.lua --rmt 45 --lab %s/lab.lua", folder)
    assert.are.equal(3, status)
    assert.matches("^verdict%s+OVER %(device within, guidelines within, lab OVER%)", last_line(out))
    status, out = check("fine.lua --rmt 45")
    assert.are.equal(0, status)
    assert.matches("^verdict%s+within %(device within, guidelines within%)", last_line(out))
  end)

  it("never pass an experiment that broke off", function()
    local function script(name, body)
      file(name, ("mp.experiment(function(run) local stim = run:device() stim:arm()\n%s\nstim:disarm() end)")
        :format(body))
    end
    local function says(name, status, verdict, complete)
      local ended, out, err = check(name .. " --rmt 45")
      assert.are.equal(status, ended, err)
      assert.matches("^verdict +" .. verdict .. " %(", last_line(out))
      local report = data(name .. " --rmt 45 --json")
      assert.are.same({ verdict, complete }, { report.verdict, report.complete })
      return err
    end
    local pulse = "stim:fire(mp.pulse(mp.rmt(%d)))\n"
    script("whole.lua", pulse:format(100))
    says("whole.lua", 0, "within", true)
    script("broken.lua", pulse:format(100) .. "local x = nil + 1")
    says("broken.lua", 2, "broken off", false)
    script("strong.lua", pulse:format(140) .. "local x = nil + 1")
    says("strong.lua", 2, "not covered", false)
    script("triggered.lua", "stim:on_trigger(mp.pulse(mp.rmt(90)), "
      .. "{ count = 2, refractory = 4, timeout = 9 })")
    assert.matches("triggered.lua:3: stim:on_trigger: .*%-%-triggers FILE, and there is none",
      says("triggered.lua", 2, "broken off", false))
  end)

  it("say what the participant's record holds, and the sessions", function()
    os.execute(("mkdir -p %s/runs/one"):format(shell.quote(folder)))
    shell.write(folder .. "/runs/one/manifest.json", cjson.encode { participant = "p07", status = "completed",
      started = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 48 * 60), device = { simulated = false },
      protocol = { id = "saint" }, result = { pulses_sent = 1800, elapsed_s = 600 } })
    local status, out = shell.moonpulse(folder, ("check saint --rmt 40 --participant P07 --out %s/runs")
      :format(folder))
    assert.are.equal(0, status)
    assert.matches(("participant    P07: 1 earlier run found in %s/runs: "):format(folder), out, 1, true)
    assert.matches("2 of 50, 38 min since the last: 50 min are asked", out, 1, true)
    assert.matches("^verdict%s+beyond tested %(device within, guidelines beyond tested, sessions beyond "
      .. "tested%)", last_line(out))
    local _, text = shell.moonpulse(folder, ("check saint --rmt 40 --participant P07 --out %s/runs --json")
      :format(folder))
    local report = cjson.decode(text)
    assert.are.same({ "beyond tested", 1, folder .. "/runs" }, { report.layers.sessions,
      report.history.sessions, report.history.folder })
  end)
end)

describe("the device of a check", function()
  it("takes its settings, its trigger and its timing as for run", function()
    file("two.lua", [[mp.together { PMv = mp.pulse(mp.mso(40)), M1 = mp.rest(1) .. mp.pulse(mp.mso(40)) }]])
    local status, out = check("two.lua --rmt 40 --device sim:pulsepal --device-option channels=PMv=1,M1=2")
    assert.are.equal(0, status, out)
    assert.matches("within%s+pulsepal", out)
    local wrong, _, err = check("two.lua --rmt 40 --device sim:pulsepal --device-option colour=red")
    assert.are.equal(2, wrong)
    local run_status, _, run_err = shell.moonpulse(folder, ("run %s/two.lua --rmt 40 --device sim:pulsepal "
      .. "--device-option colour=red --out %s/x"):format(folder, folder))
    assert.are.same({ run_status, run_err }, { wrong, err })
    file("quick.lua", "mp.train { pulses = 4, hz = 20, intensity = mp.mso(40) }")
    assert.are.equal(0, (check("quick.lua --rmt 40 --trigger sim")))
    -- a trigger pulse of 60 ms is not over when the next one comes
    status, out = check("quick.lua --rmt 40 --trigger sim:byte=1,width=60")
    assert.are.equal(3, status)
    assert.matches("use a smaller width", out, 1, true)
    wrong, _, err = check("quick.lua --rmt 40 --trigger rts")
    assert.are.equal(2, wrong)
    assert.matches("write --trigger sim", err, 1, true)
    assert.are.equal(2, (check("quick.lua --rmt 40 --trigger sim --timing device")))
  end)
end)
