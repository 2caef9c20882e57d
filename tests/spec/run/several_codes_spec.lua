-- Event codes of a run on several devices: one box for all. What stood at it against what each simulator saw
-- in the same run, and that the record, and whoever judges it, know the codes.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local SIDES = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local left, right, both = run:device "left", run:device "right", run:device()
  run:mark("begin", { code = 9 })
  right:arm()
  right:fire(mp.pulse { intensity = mp.mso(50), code = 3 })
  right:disarm()
  local pair = mp.together { left = mp.pulse { intensity = mp.mso(40), code = 1 },
    right = mp.rest(mp.ms(20)) .. mp.pulse { intensity = mp.mso(45), code = 2 } }
  both:arm(pair)
  both:play((mp.mark("S1", { code = 7 }) .. mp.rest(mp.ms(30)) .. pair):times(3, { every = 4 }))
  run:mark("end", { code = 10 })
  both:disarm()
end)
]]

local PLAN = [[
local mp = require "moonpulse"
return mp.protocol { id = "pairs", name = "Pairs", plan = function()
  return mp.together { left = mp.mark("S1", { code = 5 }) .. mp.rest(mp.ms(10))
      .. mp.pulse { intensity = mp.mso(40), code = 1 },
    right = mp.rest(mp.ms(36)) .. mp.pulse { intensity = mp.mso(45), code = 2 } }:times(3, { every = 2 })
end }
]]

local simulated = "--device left=sim:rapid --device right=sim:duomag "
local latency_ns = { left = 5100000, right = 0 } -- docs/several-devices.md

local function ns_of(text)
  local whole, part = text:match "^(%d+)%.(%d+)$"
  return math.tointeger(tonumber(whole)) * 1000000000 + math.tointeger(tonumber(part))
end

describe("event codes of a run on several devices", function()
  local folder, jobs

  fixture.each_test(function(...)
    folder, jobs = ...
    shell.write(folder .. "/sides.lua", SIDES)
    shell.write(folder .. "/pairs.lua", PLAN)
  end)

  --- When each simulator's pulses came out of the coil.
  local function onsets(path, place)
    local found = {}
    for _, row in ipairs(shell.rows(("%s/%s/twin.tsv"):format(path, place))) do
      found[#found + 1] = row.event == "pulse" and ns_of(row.time) + latency_ns[place] or nil
    end
    return found
  end

  --- What stood at the box: the codes in their order, and when each came, by its number. Each has its 0.
  local function box_of(path)
    local codes, at = {}, {}
    local rows = shell.rows(path .. "/codes.tsv")
    assert.are.equal("0", rows[1].byte)
    for i = 2, #rows, 2 do
      codes[#codes + 1] = tonumber(rows[i].byte)
      at[codes[#codes]] = at[codes[#codes]] or {}
      table.insert(at[codes[#codes]], ns_of(rows[i].time))
      assert.are.equal("0", rows[i + 1].byte)
      assert.is_true(math.abs(ns_of(rows[i + 1].time) - ns_of(rows[i].time) - 5086806) <= 1)
    end
    return codes, at
  end

  local function code_rows(path)
    local list = {}
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      list[#list + 1] = row.event == "code" and row.reply .. " " .. row.pulse or nil
    end
    return list
  end

  local function judged(path)
    local status, out = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, out)
    assert.matches("each event code is of a pulse that was sent, or of a mark", out, 1, true)
    status, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status, out)
    assert.matches("\nSAME ", out)
    assert.are.equal(shell.read(path .. "/codes.tsv"), shell.read(fixture.run_in(folder .. "/again")
      .. "/codes.tsv"))
  end

  it("stand at one box with the pulses of each, whichever is armed, and a script's own", function()
    local status, _, err = shell.moonpulse(folder, ("run %s/sides.lua --speed max --seed 1 --codes sim %s"
      .. "--out %s/out"):format(folder, simulated, folder))
    assert.are.equal(0, status, err)
    local path = fixture.run_in(folder .. "/out")
    local codes, at = box_of(path)
    assert.are.same({ 9, 3, 7, 1, 2, 7, 1, 2, 7, 1, 2, 10 }, codes)
    local left, right = onsets(path, "left"), onsets(path, "right")
    local fired = { [1] = left, [2] = { table.unpack(right, 2) }, [3] = { right[1] } }
    for code, pulses in pairs(fired) do
      assert.are.equal(#pulses, #at[code])
      for i, onset_ns in ipairs(pulses) do -- a code that is due with its command leaves behind it
        assert.is_true(at[code][i] >= onset_ns and at[code][i] - onset_ns <= 86807,
          ("code %d: %d ns"):format(code, at[code][i] - onset_ns))
      end
    end
    assert.are.same({ "9 n/a", "3 1", "7 n/a", "1 2", "2 3", "7 n/a", "1 4", "2 5", "7 n/a", "1 6", "2 7",
      "10 n/a" }, code_rows(path))
    assert.are.same({ 12, 0 }, { fixture.manifest(path).codes.sent, fixture.manifest(path).codes.lost })
    judged(path)
    status, codes = shell.moonpulse(folder, ("events %s/sides.lua --device left=rapid --device right=duomag")
      :format(folder))
    assert.are.equal(0, status)
    local shown = {}
    for line in codes:gmatch "[^\n]+" do
      local code = line:match "\t(%d+)$"
      shown[#shown + 1] = tonumber(code)
    end
    assert.are.same({ 9, 3, 7, 1, 2, 7, 1, 2, 7, 1, 2, 10 }, shown)
  end)

  it("are a protocol's, too, and are told apart by the schedule of all", function()
    local function run(script)
      return shell.moonpulse(folder, ("run %s/%s.lua --speed max --codes sim %s --out %s/out"):format(folder,
        script, simulated, folder))
    end
    shell.write(folder .. "/close.lua", (PLAN:gsub("36", "14")))
    local status, _, err = run "close"
    assert.are.equal(3, status)
    assert.matches("event codes 1 and 2 come 4 ms apart", err, 1, true)
    status, _, err = run "pairs"
    assert.are.equal(0, status, err)
    local path = fixture.run_in(folder .. "/out")
    assert.are.same({ 5, 1, 2, 5, 1, 2, 5, 1, 2 }, (box_of(path)))
    judged(path)
  end)

  it("leave the box at 0 where the run is killed, and recover has them", function()
    local bytes = {}
    local box = assert(core.pty(nil, function(came)
      for byte in came:gmatch "." do
        bytes[#bytes + 1] = byte:byte()
      end
    end))
    shell.write(folder .. "/pairs.lua", (PLAN:gsub("mp.ms%(10%)", "1"):gsub("mp.ms%(36%)", "2")
      :gsub("every = 2", "every = 4")))
    local job = jobs:start("job", ("run %s/pairs.lua --tolerance 1000 --codes %s,width=900 --out %s/out %s")
      :format(folder, box:path(), folder, simulated))
    while bytes[#bytes] ~= 2 and not job:ended() do -- of the right one; the left one's 0 came before
      core.wait(0.01)
    end
    fixture.await_codes(job, folder, folder .. "/out", 2, "left")
    fixture.await_codes(job, folder, folder .. "/out", 1, "right")
    job:signal "KILL"
    assert.are.equal(137, job:wait())
    for _ = 1, 100 do
      core.wait(bytes[#bytes] == 0 and 0 or 0.05)
    end
    box:close()
    bytes[#bytes] = bytes[#bytes - 1] ~= 0 and bytes[#bytes] or nil -- the guard's, behind the run's own
    assert.are.same({ 0, 5, 0, 1, 0, 2, 0 }, bytes)
    local path = fixture.run_in(folder .. "/out")
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. path)))
    local facts = cjson.decode(shell.read(path .. "/manifest.json"))
    assert.are.same({ "interrupted", 3, 0 }, { facts.status, facts.codes.sent, facts.codes.lost })
    assert.are.same({ "5 n/a", "1 1", "2 2" }, code_rows(path))
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. path)))
  end)

  it("need a port that is no device's", function()
    local status, _, err = shell.moonpulse(folder, ("run %s/sides.lua --codes /dev/null --device "
      .. "left=rapid@/dev/null --device right=duomag@/dev/zero"):format(folder))
    assert.are.equal(2, status)
    assert.matches("--codes /dev/null is the port of --device left", err, 1, true)
  end)
end)
