--- The gate before every run, as a user meets it: refusals, overrides, preflight, history; and that no
--- path sends a pulse without it.
local cjson = require "cjson"
local shell = require "shell"

local folder
local jobs = {}
setup(function()
  folder = shell.folder()
  shell.write(folder .. "/over.lua", [[
    local mp = require "moonpulse"
    return mp.protocol { name = "too long", plan = function()
      return mp.train { pulses = 5, hz = 1, intensity = mp.rmt(140) }
    end }
  ]])
  shell.write(folder .. "/fine.lua", [[
    local mp = require "moonpulse"
    return mp.protocol { name = "fine", plan = function()
      return mp.train { pulses = 5, hz = 20, intensity = mp.rmt(100) }
    end }
  ]])
end)
teardown(function()
  for _, job in ipairs(jobs) do
    job:kill()
  end
  shell.remove(folder)
end)

local function moonpulse(text, ...)
  return shell.moonpulse(folder, text:format(...))
end

local function manifest(out)
  local names = shell.names(out)
  return cjson.decode(shell.read(out .. "/" .. names[#names] .. "/manifest.json"))
end

--- A simulator that another program owns, as a real one would be: its port and its log.
local function stimulator(name)
  local link, log = folder .. "/" .. name, folder .. "/" .. name .. ".tsv"
  local job = shell.start(folder, name .. ".job", ("sim magventure --link %s --log %s"):format(link, log))
  jobs[#jobs + 1] = job
  job:says(" on (%S+)")
  return link, log
end

describe("moonpulse check", function()
  it("ends with 3 where something is over, and says row, value, place, line and what passes", function()
    local status, out = moonpulse("check %s/over.lua --rmt 40", folder)
    assert.are.equal(3, status)
    assert.matches("OVER%s+train duration: 140 %% of the resting motor threshold", out)
    assert.matches("train 1, from pulse 1 at 0 s", out, 1, true)
    assert.matches("over.lua:3", out, 1, true)
    assert.matches("passes: at most 130 %", out, 1, true)
  end)

  it("ends with 0 where all is within, and gives the verdict as data", function()
    local status, out = moonpulse("check %s/fine.lua --rmt 40 --json", folder)
    assert.are.equal(0, status)
    local report = cjson.decode(out)
    assert.are.equal("within", report.verdict)
    assert.are.equal("within", report.device.verdict)
    assert.are.equal("2.05 s (20 Hz, 100 %)", report.findings[1].row)
    assert.are.equal(0.25, report.findings[1].value)
  end)

  it("ends with 6 where a layer could not be judged, whatever the others say, but for OVER", function()
    local function check(text, options)
      shell.write(folder .. "/some.lua", "local mp = require 'moonpulse' return " .. text)
      local status, out = moonpulse("check %s/some.lua %s --json", folder, options or "")
      return { status, cjson.decode(out).device.verdict }
    end
    assert.are.same({ 6, "not checked" }, check "mp.pulse(mp.rmt(100))")
    assert.are.same({ 0, "within" }, check("mp.pulse(mp.rmt(100))", "--rmt 40"))
    assert.are.same({ 6, "not checked" }, check("mp.pulse(mp.mso(50)):at 'left'", "--device pulsepal"))
    local strong = "mp.train { pulses = 30, hz = 10, intensity = mp.rmt(%d) } .. mp.pulse(mp.amt(90))"
    assert.are.same({ 6, "not checked" }, check(strong:format(90), "--rmt 40"))
    assert.are.same({ 3, "not checked" }, check(strong:format(140), "--rmt 40"))
  end)

  it("asks the device's hard limits as well", function()
    shell.write(folder .. "/fast.lua", [[
      local mp = require "moonpulse"
      return mp.pair { isi = mp.ms(9), intensity = mp.mso(50) }
    ]])
    local status, out = moonpulse("check %s/fast.lua --timing host", folder)
    assert.are.equal(3, status)
    assert.matches("OVER%s+magventure: .*shortest interval", out)
  end)

  it("takes the lab's own limits, which may only be stricter", function()
    shell.write(folder .. "/lab.lua", "return { name = 'Lab A', pulses_per_session = 4, max_hz = 25 }")
    local status, out = moonpulse("check %s/fine.lua --rmt 40 --lab %s/lab.lua", folder, folder)
    assert.are.equal(3, status)
    assert.matches("pulses a session: 5 pulses, the lab's limits (Lab A): 4 pulses", out, 1, true)
    shell.write(folder .. "/lab.lua", "return { pulses_per_session = 5 }")
    assert.are.equal(0, (moonpulse("check %s/fine.lua --rmt 40 --lab %s/lab.lua", folder, folder)))
    shell.write(folder .. "/lab.lua", "return { pulse_per_session = 5 }")
    local wrong, _, err = moonpulse("check %s/fine.lua --rmt 40 --lab %s/lab.lua", folder, folder)
    assert.are.equal(2, wrong)
    assert.matches("there is no limit pulse_per_session; known:", err, 1, true)
  end)
end)

describe("a run that is OVER", function()
  it("is a warning on the simulator", function()
    local status, out = moonpulse("run %s/over.lua --rmt 40 --speed max --out %s/a", folder, folder)
    assert.are.equal(0, status)
    assert.matches("guidelines  OVER", out, 1, true)
    local safety = manifest(folder .. "/a").safety
    assert.are.equal("OVER", safety.verdict)
    assert.matches("no column above 130 %", safety.findings[1].text, 1, true)
  end)

  it("is refused on a device, before its port is opened", function()
    local status, _, err = moonpulse("run %s/over.lua --rmt 40 --device magventure --port /dev/nowhere "
      .. "--out %s/b", folder, folder)
    assert.are.equal(3, status)
    assert.matches("OVER the guidelines: train duration", err, 1, true)
    assert.matches("--beyond-guidelines", err, 1, true)
    assert.is_nil(shell.read(folder .. "/b"))
  end)

  it("runs with a reason and an approval, which the record keeps", function()
    local port, log = stimulator "stim1"
    local arguments = ("run %s/over.lua --rmt 40 --device magventure --port %s --out %s/c --tolerance 1000 ")
      :format(folder, port, folder)
    local status, _, err = moonpulse(arguments .. "--beyond-guidelines 'coil test on a phantom'")
    assert.are.equal(2, status)
    assert.matches("needs --approval REF", err, 1, true)
    status, _, err = moonpulse(arguments
      .. "--beyond-guidelines 'coil test' --approval EK-2026-17 --operator AB")
    assert.are.equal(0, status, err)
    local kept = manifest(folder .. "/c")
    assert.are.same({ reason = "coil test", by = "AB", at = kept.started }, kept.safety.override)
    assert.are.same({ "EK-2026-17", "AB" }, { kept.safety.approval, kept.operator })
    local _, pulses = shell.read(log):gsub("\tpulse\t", "")
    assert.are.equal(5, pulses)
    shell.write(folder .. "/lab2.lua", "return { pulses_per_session = 4 }")
    status, _, err = moonpulse(arguments .. "--beyond-guidelines x --approval y --lab %s/lab2.lua", folder)
    assert.are.equal(3, status)
    assert.matches("OVER the lab's own limits", err, 1, true)
  end)
end)

describe("the preflight", function()
  it("refuses without answers, and keeps what was confirmed", function()
    shell.write(folder .. "/list", "# ours\nscreened\tScreened today?\nEar plugs in?\n")
    local function of(out)
      return ("run %s/fine.lua --rmt 40 --speed max --preflight %s/list --out %s/%s "):format(folder, folder,
        folder, out)
    end
    local run = of "no"
    local status, _, err = moonpulse(run)
    assert.are.equal(3, status)
    assert.matches("needs the operator's code", err, 1, true)
    status, _, err = moonpulse(run .. "--operator AB")
    assert.are.equal(3, status)
    assert.matches("was not answered (screened)", err, 1, true)
    local code
    for _, answer in ipairs { "n", "", "yss", "ye", "n y" } do
      code = shell.sh(folder, ("printf 'AB\\ny\\n%s\\n' | %s %s"):format(answer,
        shell.quote(shell.program), run))
      assert.are.equal(3, code, answer)
    end
    code = shell.sh(folder, ("printf 'AB\\ny\\nyes\\n' | %s %s"):format(shell.quote(shell.program), of "d"))
    assert.are.equal(0, code)
    local kept = manifest(folder .. "/d")
    assert.are.equal("AB", kept.operator)
    assert.are.same({ { "screened", "Screened today?", "y" }, { "item_2", "Ear plugs in?", "y" } },
      { { kept.preflight[1].id, kept.preflight[1].question, kept.preflight[1].answer },
        { kept.preflight[2].id, kept.preflight[2].question, kept.preflight[2].answer } })
  end)
end)

describe("a participant's history", function()
  it("counts earlier runs of the day on real devices", function()
    local out = folder .. "/e"
    shell.sh(folder, "mkdir -p " .. out .. "/one " .. out .. "/two " .. out .. "/three")
    local function earlier(name, participant, simulated)
      shell.write(("%s/%s/manifest.json"):format(out, name), cjson.encode { participant = participant,
        started = os.date("%Y-%m-%dT%H:%M:%S"), device = { simulated = simulated },
        result = { pulses_sent = 2999, elapsed_s = 1 } })
    end
    earlier("one", "P07", false)
    earlier("two", "P10", true)
    earlier("three", "P08", false)
    shell.sh(folder, "mkdir -p " .. out .. "/four")
    shell.write(out .. "/four/manifest.json", '{"participant":"P07",')
    local check = "check %s/fine.lua --rmt 40 --json --out %s --participant "
    local _, text, err = moonpulse(check .. "P07", folder, out)
    assert.matches("four/manifest.json cannot be read", err, 1, true)
    assert.are.equal("beyond tested", cjson.decode(text).verdict) -- 2999 and 5
    for _, other in ipairs { "P09", "P10" } do
      _, text = moonpulse(check .. other, folder, out)
      assert.are.equal("within", cjson.decode(text).verdict, other)
    end
    -- the code is kept, so that the next run can count this one
    moonpulse("run %s/fine.lua --rmt 40 --speed max --participant P07 --out %s/f", folder, folder)
    assert.are.equal("P07", manifest(folder .. "/f").participant)
  end)
end)

describe("an experiment whose plans end in a rest", function()
  --- What the record says of two plays of a train, one right behind the other.
  local function played_twice(name, rest)
    shell.write(folder .. "/twice.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        local plan = mp.train { pulses = 20, hz = 20, intensity = mp.mso(55) } .. mp.rest(%g)
        stim:arm(plan)
        for _ = 1, 2 do stim:play(plan) end
      end)
    ]]):format(rest))
    local status, _, err = moonpulse("run %s/twice.lua --rmt 50 --device sim:trigger --speed max "
      .. "--out %s/%s", folder, folder, name)
    assert.are.equal(0, status, err)
    local rules = {}
    for _, finding in ipairs(manifest(folder .. "/" .. name).safety.findings) do
      rules[finding.text:match("^[^:]*")] = finding.verdict
    end
    return rules
  end

  it("is judged by the silence that there was: nobody waits for that rest", function()
    local plain = played_twice("rest0", 0)
    assert.are.same({ ["train duration"] = "OVER", ["gap between trains"] = "OVER" }, plain)
    assert.are.same(plain, played_twice("rest30", 30))
  end)
end)

describe("a plan that passed the gate", function()
  local core = require "moonpulse.core"
  local lower = require "moonpulse.lowering"
  local mp = require "moonpulse"

  local changes = {
    pulse = function(lowering) lowering:pulse(1, "\xFE\x01", 0) end,
    lasts = function(lowering) lowering:lasts(1, 0) end,
    change = function(lowering) lowering:change(1, 2, "\xFE\x02", 0) end,
  }
  for name, change in pairs(changes) do
    it("has to pass it again after " .. name, function()
      local devices = require "moonpulse.driver.find"
      local driver = devices.configure(devices.find("magventure"))
      local given = { plan = mp.pulse(mp.mso(20)) .. mp.rest(1) .. mp.pulse(mp.mso(30)), seed = 1,
        driver = driver, thresholds = { rmt = 50 } }
      local lowering = lower.prepare(given)
      local function nothing() end
      local session <close> = core.session { on_bytes = nothing, on_outcome = nothing, on_gone = nothing }
      local function play() return session:play(lowering, 0) end
      assert.has_error(play, "the plan was not checked against the safety limits: nothing is sent")
      require("moonpulse.safety.gate").clear(lowering, given)
      assert.is_true(lowering:cleared())
      assert.are.equal("state", select(3, play())) -- all that is wrong now: it is not armed
      change(lowering)
      assert.is_false(lowering:cleared())
      assert.is_true((lowering:check(100)))
      assert.has_error(play, "the plan was not checked against the safety limits: nothing is sent")
    end)
  end
end)

--- The mutation: a gate that judges and refuses nothing, and clears nothing.
describe("no path sends a pulse where the gate is taken out", function()
  local function without_gate(arguments)
    shell.write(folder .. "/mutant.lua", ([[
      local gate = require "moonpulse.safety.gate"
      gate.clear = function() return { verdict = "within", findings = {}, pulses = 0 } end
      os.exit(require("moonpulse.cli").main { [0] = "moonpulse", %s })
    ]]):format(arguments))
    return moonpulse("lua %s/mutant.lua", folder)
  end

  setup(function()
    shell.write(folder .. "/experiment.lua", [[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        stim:fire(mp.pulse { intensity = mp.mso(20) })
      end)
    ]])
  end)

  local paths = {
    ["virtual time"] = [["fine.lua", "--speed", "max"]],
    ["real time"] = [["fine.lua", "--timing", "host"]],
    ["real time, timed by the device"] = [["fine.lua", "--timing", "device"]],
    ["an experiment"] = [["experiment.lua"]],
  }
  for name, arguments in pairs(paths) do
    it("in " .. name, function()
      local out = folder .. "/g_" .. name:gsub("%W", "_")
      local status, _, err = without_gate(([["run", "--rmt", "40", "--out", "%s", %s]]):format(out,
        (arguments:gsub('^"', '"' .. folder .. "/"))))
      assert.are_not.equal(0, status)
      assert.matches("was not checked against the safety limits", err, 1, true)
      local run = out .. "/" .. shell.names(out)[1]
      local simulator = shell.read(run .. "/twin.tsv")
      assert.is_nil(simulator and simulator:find("\tpulse\t", 1, true))
      local events = shell.read(run .. "/events.tsv") or ""
      assert.is_nil(events:find("delivered", 1, true))
    end)
  end
end)
