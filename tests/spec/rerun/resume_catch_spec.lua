-- Catch trials are nothing but marks, with event codes: of a session that broke off and was gone on with each
-- of them is in one of the records, and each code went to the box once, as of one that did not break off.
local fixture = require "job"
local shell = require "shell"

describe("catch trials of a session that goes on", function()
  local folder
  fixture.each_test(function(...) folder = ... end)

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
      for _, row in ipairs((shell.rows(path .. "/codes.tsv"))) do
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
end)
