-- Triggers of an experiment that is gone on with: what its script is told of them (how many came, when, and
-- what became of each) is what one run is told that did not break off. The witness is the file of triggers.
local fixture = require "job"
local shell = require "shell"

describe("triggers of a session that goes on", function()
  local folder
  fixture.each_test(function(...) folder = ... end)

  local function made(out, text, ...)
    local status, said, err = shell.moonpulse(folder, ("%s --out %s/%s"):format(text:format(...), folder,
      out))
    return status, said .. err, fixture.run_in(folder .. "/" .. out)
  end

  local script = [[
    local mp = require "moonpulse"
    return mp.experiment(function(run)
      local stim, pulse = run:device(), mp.pulse(mp.mso(40))
      stim:arm(pulse)
      run:wait_trigger { byte = 5 }
      run:note(("asked: %d"):format(#run:triggers { new = true }))
      local starts, came = stim:on_trigger(pulse, { byte = 5, every = 2, count = 5, refractory = 1 })
      run:note("before: " .. #run:triggers { new = true })
      run:ask "on?"
      local last = run:wait_trigger { byte = 5, fresh = true }
      local all, words = run:triggers(), {}
      for i, each in ipairs(all) do words[i] = ("%g/%d"):format(each.at, each.byte) end
      run:note(("told: %d starts, %d came; %d of 5, %d of 7, %d since 21 s, %d in all; new: %d"):format(
        starts, came, run:trigger_count { byte = 5 }, run:trigger_count { byte = 7 },
        run:trigger_count { since = 21 }, run:trigger_count(), #run:triggers { new = true }))
      run:note("list: " .. table.concat(words, " "))
      local became = {}
      for _, each in ipairs(all) do became[each.became] = (became[each.became] or 0) + 1 end
      run:note(("became: %s taken, %s starts, %s counted"):format(became.taken, became.starts,
        became.counted))
      stim:disarm()
    end)]]

  it("are counted and listed with those of the runs before", function()
    local lines, times = {}, {}
    for i = 1, 40 do
      local byte = i % 5 == 0 and 7 or 5
      lines[i], times[i] = ("%g port %d"):format(2 * i, byte), ("%g/%d"):format(2 * i, byte)
    end
    shell.write(folder .. "/triggers.txt", table.concat(lines, "\n") .. "\n")
    shell.write(folder .. "/made.lua", script)
    shell.write(folder .. "/yes", "y\n")
    local common = ("run %s/made.lua --speed max --triggers %s/triggers.txt --answers "):format(folder,
      folder)
    local _, whole = made("whole", common .. folder .. "/yes")
    assert.matches("5 starts, 10 came; 12 of 5, 2 of 7, 4 since 21 s, 14 in all; new: 0", whole, 1, true)
    for at = 1, 3, 2 do
      local _, _, first = made("first" .. at, common .. "/dev/null --fault drop@" .. at)
      local status, text, second = made("second" .. at, "resume %s", first)
      assert.are.equal(2, status, text) -- nobody answers
      local third
      status, text, third = made("third" .. at, "resume %s --answers %s/yes", second, folder)
      assert.are.equal(0, status, text)
      local starts, came, fives, sevens, since, all, new = text:match("told: (%d+) starts, (%d+) came; "
        .. "(%d+) of 5, (%d+) of 7, (%d+) since 21 s, (%d+) in all; new: (%d+)")
      local count = tonumber(all)
      local listed = table.concat(times, " ", 1, count)
      assert.matches("list: " .. listed .. "\n", text, 1, true)
      assert.are.equal(5, tonumber(starts))
      assert.are.equal(count, fives + sevens)
      assert.are.equal(count // 5, tonumber(sevens))
      assert.are.equal(count - 10, tonumber(since))
      assert.are.equal("0", new)
      local taken, started, counted = text:match "became: (%d+) taken, (%d+) starts, (%d+) counted"
      assert.are.same({ "2", "5", tonumber(came) - 5 }, { taken, started, tonumber(counted) })
      for _, path in ipairs { first, second, third } do
        local ok, out, err = shell.moonpulse(folder, "verify " .. path)
        assert.are.equal(0, ok, out .. err)
      end
    end
  end)

  local function is_whole_and_again(path)
    local status, text, err = shell.moonpulse(folder, "verify " .. path)
    assert.are.equal(0, status, text .. err)
    status, text, err = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(path, folder))
    assert.are.equal(0, status, text .. err)
  end

  local function write(body)
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(40))
        stim:arm()
        %s
        run:ask "on?"
        stim:fire(pulse)
        stim:disarm()
      end)]]):format(body))
    shell.write(folder .. "/yes", "y\n")
  end

  local function broken_off(triggers, more)
    shell.write(folder .. "/triggers.txt", triggers)
    return select(3, made("first", "run %s/made.lua --speed max --triggers %s/triggers.txt "
      .. "--answers /dev/null %s", folder, folder, more or ""))
  end

  local function pulses(path)
    local count = 0
    for _, row in ipairs((shell.rows(path .. "/twin.tsv"))) do
      count = count + (row.event == "pulse" and 1 or 0)
    end
    return count
  end

  it("tell the same byte again in the resumed run, in one behind it, in verify and in rerun", function()
    write [[stim:fire(pulse)
        local at, byte = run:wait_trigger { timeout = 3 }
        run:mark(("came: %s"):format(byte))
        run:ask "more?"
        stim:fire(pulse)]]
    local first = broken_off "1.4 port 1\n"
    local _, text, second = made("second", "resume %s --answers %s/yes", first, folder)
    assert.is_nil(text:find("another way", 1, true), text)
    assert.are.equal(1, pulses(second))
    is_whole_and_again(second)
    local status, third
    status, text, third = made("third", "resume %s --answers %s/yes", second, folder)
    assert.are.equal(0, status, text)
    assert.are.equal(1, pulses(third))
    is_whole_and_again(third)
  end)

  it("and pulses that something else fires: a third block goes on behind both", function()
    write [[stim:watch(pulse, { count = 1, refractory = 1, timeout = 40 })
        stim:arm(pulse)
        stim:on_trigger(pulse, { byte = 5, count = 2, refractory = 1, timeout = 40 })]]
    local first = broken_off("1 device pulse\n5 port 5\n8 port 5\n", "--fault drop@2")
    local _, _, second = made("second", "resume %s --answers /dev/null", first)
    assert.are.equal(1, pulses(second))
    local status, text, third = made("third", "resume %s --answers %s/yes", second, folder)
    assert.are.equal(0, status, text)
    assert.are.equal(1, pulses(third))
    is_whole_and_again(third)
  end)

  it("are as many values again where none came in time", function()
    write [[stim:fire(pulse)
        run:mark(("values: %d"):format(select("#", run:wait_trigger { timeout = 1 })))]]
    local first = broken_off ""
    local status, text, second = made("second", "resume %s --answers %s/yes", first, folder)
    assert.are.equal(0, status, text)
    is_whole_and_again(second)
  end)

  it("that do not come any more are told of alike, wherever their file lies", function()
    write "stim:fire(pulse) run:wait_trigger()"
    local first = broken_off ""
    assert.matches("no further byte comes by triggers.txt", shell.read(first .. "/journal.jsonl"), 1, true)
    is_whole_and_again(first)
  end)

  it("and a count that the stimulator does not tell of now is a whole number", function()
    write [[stim:fire(pulse)
        run:mark("left out: " .. tostring(stim:status().left_out))]]
    local first = broken_off("", "--device sim:duomag")
    assert.matches("left out: 0", shell.read(first .. "/journal.jsonl"), 1, true)
    local status, text, second = made("second", "resume %s --answers %s/yes", first, folder)
    assert.are.equal(0, status, text)
    is_whole_and_again(second)
  end)
end)
