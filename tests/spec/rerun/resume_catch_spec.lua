-- Catch trials are nothing but marks, with event codes: of a session that broke off and was gone on with each
-- of them is in one of the records, and each code went to the box once, as of one that did not break off.
local fixture = require "job"
local shell = require "shell"

describe("catch trials of a session that goes on", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  local function write(name, text)
    shell.write(("%s/%s"):format(folder, name), text)
    return ("%s/%s"):format(folder, name)
  end

  --- A command that keeps its run in a folder of its own: status, what it said, the run.
  local function made(out, text, ...)
    local status, said, err = shell.moonpulse(folder, ("%s --out %s/%s"):format(text:format(...), folder,
      out))
    return status, said .. err, fixture.run_in(folder .. "/" .. out)
  end

  --- What runs gave, in their order: what their simulators fired, their plans' marks, their codes.
  local function given(...)
    local list = { pulses = {}, marks = {}, codes = {} }
    for _, path in ipairs { ... } do
      for _, row in ipairs((shell.rows(path .. "/twin.tsv"))) do
        list.pulses[#list.pulses + 1] = row.event == "pulse" and row.intensity or nil
      end
      for _, row in ipairs((shell.rows(path .. "/events.tsv"))) do
        list.marks[#list.marks + 1] = row.event == "mark" and row.reply:match "^[cb]%l+ %d+$" or nil
      end
      local has_box = table.concat(shell.names(path), " "):find("codes.tsv", 1, true)
      for _, row in ipairs(has_box and (shell.rows(path .. "/codes.tsv")) or {}) do
        list.codes[#list.codes + 1] = row.byte ~= "0" and row.byte or nil
      end
    end
    return list
  end

  local function verified(...)
    for _, path in ipairs { ... } do
      local status, out, err = shell.moonpulse(folder, "verify " .. path)
      assert.are.equal(0, status, out .. err)
    end
  end

  local blocks = [[
    local mp = require "moonpulse"
    return mp.experiment(function(run)
      local stim, pulse = run:device(), mp.pulse(mp.mso(45))
      stim:arm()
      for b = 1, 2 do
        stim:play(mp.trials { of = { pulse, pulse, mp.mark(("catch %d"):format(b), { code = b }),
          mp.mark(("catch %d"):format(b + 5), { code = b + 5 }) }, every = 2 })
        run:ask "over? [y/n]"
      end
    end)]]

  it("are given behind the last pulse of an experiment's plan", function()
    local script, yes = write("blocks.lua", blocks), write("yes", "y\ny\n")
    local common = ("run %s --seed 1 --speed max --codes sim --answers %s"):format(script, yes)
    local _, _, whole = made("whole", common)
    for at = 1, 4 do
      local _, _, first = made("first" .. at, common .. " --fault drop@" .. at)
      local status, text, second = made("second" .. at, "resume %s", first)
      assert.are.equal(0, status, text)
      assert.are.same(given(whole), given(first, second))
      local told = "goes on +with what is left of plan %d: 2 marks behind its last pulse\n"
      assert.are.equal(at % 2 == 0, text:find(told) ~= nil, text)
      verified(first, second)
    end
  end)

  it("that end an mp.trials of a protocol are given before the next block", function()
    local plan = write("blocks.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "blocks", name = "Blocks", plan = function()
        local pulse, plan = mp.pulse(mp.mso(40)), nil
        for b = 1, 3 do
          local block = (mp.mark("block " .. b) .. mp.trials { of = { pulse, pulse, mp.mark("catch " .. b,
            { code = b }) }, shortest = 1, longest = 2 }):block()
          plan = plan and plan .. mp.rest(2) .. block or block
        end
        return plan .. mp.rest(1) .. pulse
      end }]])
    local common = ("run %s --seed 1 --speed max --codes sim"):format(plan)
    local _, _, whole = made("whole", common)
    for at = 2, 6, 2 do
      local _, _, first = made("first" .. at, common .. " --fault drop@" .. at)
      local status, text, second = made("second" .. at, "resume %s", first)
      assert.are.equal(0, status, text)
      assert.not_matches("left out", text)
      assert.are.same(given(whole), given(first, second))
      assert.is_nil(fixture.manifest(second).begins_at.marks_left_out)
      verified(first, second)
    end
  end)

  it("behind the last pulse of a protocol are told, for no plan has no pulse", function()
    local plan = write("end.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "last", name = "Last", plan = function()
        return mp.trials { of = { mp.pulse(mp.mso(40)), mp.mark("catch 1", { code = 9 }), mp.mark "catch 2" },
          every = 2 } end }]])
    local _, _, first = made("first", "run %s --speed max --fault drop@1", plan)
    local status, out, err = shell.moonpulse(folder, "resume " .. first)
    assert.are.equal(2, status)
    assert.matches("nothing left to go on with; 2 marks behind its last pulse were not given", out .. err, 1,
      true)
  end)

  it("are given once where a resumed run gave nothing else, or took an answer only", function()
    local script = write("ask.lua", [[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(45))
        stim:arm()
        for i, c in ipairs { "pulse", "catch", "pulse", "catch", "pulse" } do
          if c == "catch" then
            stim:play(mp.mark("catch " .. i, { code = i }) .. mp.rest(0.5))
          else
            stim:fire(pulse)
          end
          run:mark(("block %s"):format(run:ask "clean? [number]"))
        end
      end)]])
    local function answers(from, to)
      local lines = {}
      for i = from, to do
        lines[#lines + 1] = i .. "\n"
      end
      return write(("answers_%d_%d"):format(from, to), table.concat(lines))
    end
    local common = ("run %s --seed 1 --speed max --codes sim --answers "):format(script)
    local _, _, whole = made("whole", common .. answers(1, 5))
    local runs = {}
    _, _, runs[1] = made("part1", common .. "/dev/null")
    for i = 2, 6 do
      local status, text
      status, text, runs[i] = made("part" .. i, "resume %s --answers %s", runs[i - 1], answers(i - 1, i - 1))
      assert.are.equal(i < 6 and 2 or 0, status, text)
      if i < 6 then
        assert.matches("\nresume +moonpulse resume " .. runs[i]:gsub("%p", "%%%0") .. " goes on", text)
      end
      status, text = shell.moonpulse(folder, ("resume %s --out %s/part%d"):format(runs[i - 1], folder, i))
      assert.are.equal(2, status, text)
    end
    assert.are.same(given(whole), given(table.unpack(runs)))
    local first, second = fixture.manifest(runs[2]), fixture.manifest(runs[5])
    assert.are.same({ 0, 0 }, { first.result.pulses_sent, second.result.pulses_sent - 1 })
    verified(table.unpack(runs, 1, 6))
  end)

  it("are given once where a resumed run of a protocol gave nothing else", function()
    local plan = write("catch.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { id = "catch", name = "Catch", plan = function()
        local list = { mp.pulse(mp.mso(40)) }
        for i = 1, 4 do list[i + 1] = mp.mark("catch " .. i, { code = i }) end
        list[6] = mp.pulse(mp.mso(41))
        return mp.trials { of = list, every = 0.7 } end }]])
    local common = ("run %s --speed max"):format(plan)
    local _, _, whole = made("whole", common)
    local runs = {}
    _, _, runs[1] = made("part1", common .. " --fault drop@1")
    for i = 2, 3 do
      local job = jobs:start("part" .. i, ("resume %s --speed 1 --tolerance 5000 --out %s/part%d"):format(
        runs[i - 1], folder, i))
      shell.await(function()
        local name = shell.names(("%s/part%d"):format(folder, i))[1]
        local rows = name and shell.read(("%s/part%d/%s/events.tsv"):format(folder, i, name)) or ""
        return rows:find "\tcatch %d\t"
      end, "a catch trial")
      job:signal "INT"
      job:wait()
      runs[i] = fixture.run_in(("%s/part%d"):format(folder, i))
    end
    if fixture.manifest(runs[3]).result.pulses_sent == 0 then -- else a busy computer was late
      local status, text
      status, text, runs[4] = made("part4", "resume %s --speed max", runs[3])
      assert.are.equal(0, status, text)
    end
    assert.are.same(given(whole), given(table.unpack(runs)))
    verified(table.unpack(runs))
  end)
end)
