-- An experiment with parts side by side that broke off is gone on with: each part is told again what it was
-- told, in the order in which the parts took their turns, so that what they share is as it was. What the runs
-- gave and noted together is what one run gives that did not break off.
local cjson = require "cjson"
local fixture = require "job"
local pasts = require "moonpulse.experiment.past"
local shell = require "shell"

-- sum, strength and seen are shared: each note hangs on who came first
local script = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim, sum, strength, seen = run:device(), 0, 40, 0
  run:spawn(function()
    for i = 1, 6 do
      run:sleep(run:uniform(8, 12))
      sum = sum + tonumber(run:ask(("comfort %d? [number]"):format(i)))
      strength = strength + run:integer(1, 3)
      run:note(("comfort %d: sum %d, strength %d, seen %d"):format(i, sum, strength, seen))
    end
  end)
  run:spawn(function()
    seen = 100
    while sum < 21 do
      run:sleep(3)
      seen = seen + (run:now() > 20 and 1 or 2)
    end
    run:mark(("seen %d"):format(seen))
  end)
  stim:arm()
  for block = 1, 4 do
    run:note(("block %d: sum %d, strength %d, seen %d"):format(block, sum, strength, seen))
    stim:play(mp.train { pulses = 10, hz = 5, intensity = mp.mso(strength) }:times(3, { gap = 4 }))
    run:note(("played %d: sum %d, seen %d, %s"):format(block, sum, seen, tostring(stim:armed())))
    run:sleep(2)
  end
  stim:disarm()
  run:note(("the end: sum %d, strength %d"):format(sum, strength))
end)
]]

describe("resume of an experiment with parts side by side", function()
  local folder
  fixture.each_test(function(...) folder = ... end)

  local function made(out, text)
    local status, said, err = shell.moonpulse(folder, ("%s --out %s/%s"):format(text, folder, out))
    return status, said .. err, shell.names(folder .. "/" .. out)[1] and fixture.run_in(folder .. "/" .. out)
  end

  local function lines_of(...)
    shell.write(folder .. "/answers", table.concat({ ... }, "\n") .. "\n")
    return folder .. "/answers"
  end

  local function run(out, text, answers, more)
    shell.write(folder .. "/made.lua", text)
    return made(out, ("run %s/made.lua --seed 7 --speed max --answers %s %s"):format(folder, answers,
      more or ""))
  end

  --- What the script noted and marked, and the simulator fired, of several runs: each in its order.
  local function told_and_fired(...)
    local told, fired = {}, {}
    for _, path in ipairs { ... } do
      for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
        local is_script = row.reply:find "^comfort %d:" or row.reply:find "^block" or row.reply:find "^played"
          or row.reply:find "^seen" or row.reply:find "^the end"
        told[#told + 1] = row.trial_type == "mark" and is_script and row.reply or nil
      end
      for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
        fired[#fired + 1] = row.event == "pulse" and row.intensity or nil
      end
    end
    return told, fired
  end

  local function is_whole(path)
    local status, out, err = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, out .. err)
    status, out, err = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status, out .. err)
  end

  it("gives, notes and asks all of it once, twice broken off", function()
    local status, text, whole = run("whole", script, lines_of(1, 2, 3, 4, 5, 6))
    assert.are.equal(0, status, text)
    local first, second, third
    status, text, first = run("first", script, lines_of(1, 2, 3))
    assert.are.equal(2, status, text)
    assert.matches("\nresume +moonpulse resume ", text)
    status, text, second = made("second", ("resume %s --speed max --answers %s"):format(first, lines_of(4)))
    assert.are.equal(2, status, text)
    assert.matches("so far +72 pulses were given, in 3 plans\n"
      .. "goes on +with what is left of plan 3, of which 12 of 30 pulses were given", text)
    assert.matches("left out: 8 pulses of a trial that had begun", text, 1, true)
    status, text, third = made("third", ("resume %s --speed max --answers %s"):format(second,
      lines_of(5, 6)))
    assert.are.equal(0, status, text)
    local lost = { text:match "left out: (%d+) pulses of a trial" }
    local told, fired = told_and_fired(whole)
    local rest_told, rest_fired = told_and_fired(first, second, third)
    -- a plan that broke off takes longer: who counts meanwhile counts more often
    local function plain(list)
      return table.concat(list, "\n"):gsub("seen %d+", "seen")
    end
    assert.are.equal(plain(told), plain(rest_told))
    assert.are.equal(#fired, #rest_fired + 8 + (tonumber(lost[1]) or 0))
    for _, path in ipairs { first, second, third } do
      is_whole(path)
    end
  end)

  it("tells each part the same in the same order, wherever it broke off", function()
    local _, _, whole = run("whole", script, lines_of(1, 2, 3, 4, 5, 6))
    local told, fired = told_and_fired(whole)
    for i, pulse in ipairs { 5, 31, 64, 100 } do
      local first, status, text, rest, _
      local out = ("rest_%d"):format(i)
      _, text, first = run("first_" .. i, script, lines_of(1, 2, 3, 4, 5, 6),
        ("--fault unplug@%d"):format(pulse))
      assert.matches("\nresume +moonpulse resume ", text)
      status, text, rest = made(out, ("resume %s --speed max"):format(first))
      assert.are.equal(0, status, text)
      local so_far, so_fired = told_and_fired(first)
      for k, each in ipairs(so_far) do
        assert.are.equal(told[k], each)
      end
      local all_told, all_fired = told_and_fired(first, rest)
      local lost = tonumber(text:match "left out: (%d+) pulses? of a trial") or 0
      assert.are.equal(#fired, #all_fired + lost, text)
      assert.are.same({ table.unpack(fired, 1, #so_fired) }, so_fired)
      assert.are.equal(#told, #all_told)
      assert.matches("the end: sum 21, strength 51", all_told[#all_told], 1, true)
      is_whole(rest)
    end
  end)

  local beside = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm()
  run:spawn(function()
    for i = 1, 40 do
      run:sleep(4)
      %s
    end
  end)
  local one = mp.pulse(mp.mso(40)):times(3, { every = 1 }) .. mp.rest { min = 20, max = 40 }
  run:note("played " .. tostring(pcall(stim.play, stim, one:times(4))))
  run:sleep(30)
  run:note "over"
end)
]]

  it("keeps other parts from giving anything before what is left of a plan", function()
    local function broken_off(name, text) -- and what goes on with it
      local _, said, first = run(name .. "_first", text, "/dev/null", "--fault unplug@3")
      assert.matches("\nresume +moonpulse resume ", said)
      local status, rest
      status, said, rest = made(name, ("resume %s --speed max"):format(first))
      assert.are.equal(0, status, said)
      return rest, first
    end
    local rest, first = broken_off("rest", beside:format "pcall(stim.fire, stim, mp.pulse(mp.mso(60)))")
    local alone = broken_off("alone", (beside:format(""):gsub("run:spawn.-\n  end%)\n", "")))
    --- What the plan gave: of which trial, and how long after the one before.
    local function own(path)
      local list, rows = {}, (fixture.pulse_rows(path))
      for i = 1, #rows do
        local before = i > 1 and tonumber(rows[i - 1].onset_planned_us) or nil
        if rows[i].intensity_mso == "40" then
          list[#list + 1] = ("trial %s, behind %.0f ms"):format(rows[i].trial, before
            and (tonumber(rows[i].onset_planned_us) - before) / 1e3 or 0)
        end
      end
      return list, rows[1].intensity_mso, #rows
    end
    local expected, _, count = own(alone)
    local given, strength, of_all = own(rest)
    assert.are.same({ expected, "40", 9 }, { given, strength, count })
    assert.is_true(of_all > 9) -- the other part's came behind
    local line = '"play":1,.-"seed":(%d+)'
    assert.are.equal(shell.read(first .. "/journal.jsonl"):match(line), shell.read(rest .. "/journal.jsonl")
      :match('"kind":"play".-' .. line))
    is_whole(rest)
  end)

  it("lets other parts look at the device meanwhile, and end what is left of the plan", function()
    local text = beside:format([[if i < 3 then stim:status() run:note("looks at " .. run:now() // 1) end
      if i == 4 then stim:disarm() run:note("disarmed at " .. run:now() // 1) end]])
    local _, said, first = run("first", text, "/dev/null", "--fault unplug@3")
    assert.matches("\nresume +moonpulse resume ", said)
    local status, rest
    status, said, rest = made("rest", ("resume %s --speed max"):format(first))
    assert.are.equal(0, status, said)
    for _, words in ipairs { "looks at 6.0", "looks at 10.0", "played false", "disarmed at 18.0" } do
      assert.matches(words, said, 1, true)
    end
    assert.are.equal(0, #(fixture.pulse_rows(rest)))
    is_whole(rest)
  end)

  it("goes on a third time where no part had a turn in the second run", function()
    local _, _, first = run("first", script, lines_of(1, 2, 3))
    local lines, again = {}, { { kind = "begin", clock_ns = 0 } }
    for line in io.lines(first .. "/journal.jsonl") do
      lines[#lines + 1] = cjson.decode(line)
    end
    local entries = assert(pasts.until_now(lines))
    for _, entry in ipairs(entries) do
      local line = { kind = "before" }
      for key, value in pairs(entry) do
        line[key] = value
      end
      again[#again + 1] = line
    end
    again[#again + 1] = { kind = "before", what = "end", then_ns = 7 }
    local known, why = pasts.until_now(again)
    assert.are.equal(#entries, known and #known, why)
  end)

  it("is refused where the parts go another way, before anything more is given", function()
    local _, _, first = run("first", script, lines_of(1, 2, 3))
    local lines = {}
    for line in io.lines(first .. "/journal.jsonl") do
      lines[#lines + 1] = cjson.decode(line)
    end
    local past = pasts.new(assert(pasts.until_now(lines)))
    assert.has_error(function() past:count_part(-1, 1) end) -- it is over, and was told more then
    for _, line in ipairs(lines) do -- of an older version: nothing says whose turn it was
      line.kind = line.what == "turn" and "older" or line.kind
    end
    local none, why = pasts.until_now(lines)
    assert.is_nil(none)
    assert.matches("whose order its version did not write down", why, 1, true)
  end)
end)
