--- flight.bin that another program cuts while the run goes on, or before it is recovered: the device is safe,
--- the end has a name, no pulse leaves that has no record, and what is left is read.
local fixture = require "job"
local shell = require "shell"

describe("flight.bin", function()
  local folder

  -- what meets it behind the fifth pulse of ten; killed: and the program with it
  local cuts = { to_nothing = "truncate -s 0 flight.bin", to_its_header = "truncate -s 4096 flight.bin",
    and_made_longer = "truncate -s 0 flight.bin; truncate -s 1000000 flight.bin",
    seen_in_its_page = "truncate -s 4232 flight.bin",
    seen_at_its_length = "size=$(stat -c %s flight.bin); truncate -s 4096 flight.bin; "
      .. "truncate -s $size flight.bin",
    killed_without = "rm flight.bin", killed_nothing = ": >flight.bin",
    killed_header = "truncate -s 4096 flight.bin", killed_some = "truncate -s 4300 flight.bin" }
  local results

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment { params = { does = { default = "" }, rest = { default = 0.0 } },
        run = function(run)
        local stim = run:device()
        stim:arm()
        for i = 1, 10 do
          stim:fire(mp.pulse(mp.mso(40)))
          if i == 5 then
            run:sleep(1.5) -- rows are held back for about a second
            os.execute(run.params.does)
            run:sleep(run.params.rest) -- where no store meets the cut, the loop sees it when it looks
          end
        end
      end }]])
    local meetings = {}
    for name, command in pairs(cuts) do
      meetings[name] = (name:find("^killed") and "kill -9 $PPID\n" or "") .. command
    end
    results = fixture.meet(folder, meetings, function(name, script)
      return ("-p does='exec sh %s' -p rest=%s"):format(script, name:find("^seen") and "0.5" or "0")
    end)
  end)

  teardown(function()
    shell.remove(folder)
  end)

  --- The pulses of a table, the simulator's or the record's.
  local function pulses(path)
    local count = 0
    for _, row in ipairs(shell.rows(path)) do
      count = count + (row.event == "pulse" and 1 or 0)
    end
    return count
  end

  for name, command in pairs(cuts) do
    local killed = name:find("^killed") ~= nil
    local what = killed and "is recovered as far as it goes: " or "ends no run without a word: "

    local function ends()
      local result = results[name]
      local said = result.out .. result.err
      assert.are.equal(5, result.status, said)
      assert.matches("the flight record was cut by another program", result.err, 1, true)
      local so_far = result.err:match " after (5.- pulses[^;]*);"
      local may_be = { ["5 pulses"] = true, -- a look may come before the sixth was asked for
        ["5 of the 6 pulses asked for so far"] = not name:find "^seen" }
      assert.is_true(may_be[so_far], result.err)
      assert.matches("flight.bin: another program cut it while it was written.*events.tsv is whole", said)
      local path = fixture.run_in(folder .. "/" .. name)
      local manifest = fixture.manifest(path)
      assert.are.same({ "stopped", "torn", true, 5 }, { manifest.status, manifest.result.stop,
        manifest.result.disarmed, manifest.result.pulses_sent })
      assert.are.same({ 5, 5 }, { pulses(path .. "/twin.tsv"), pulses(path .. "/events.tsv") })
    end

    local function is_recovered()
      local path = fixture.run_in(folder .. "/" .. name)
      assert.are.equal("running", fixture.manifest(path).status)
      shell.await(function() -- the guard's
        local list = shell.rows(path .. "/twin.tsv")
        return list[#list].event ~= "pulse"
      end, "the disarming")
      local code, out, err = shell.moonpulse(folder, "recover " .. path)
      assert.are.equal(0, code, err)
      local manifest = fixture.manifest(path)
      assert.are.equal("interrupted", manifest.status)
      assert.is_string(manifest.result.damage[1], out)
      assert.is_false(manifest.result.plan_complete)
      -- what is given is in events.tsv, or counted as unknown, or in the table that was kept
      local known = manifest.result.pulses_sent
      assert.are.equal(known, pulses(path .. "/events.tsv"))
      assert.is_true(known + (manifest.result.pulses_unknown or 0) >= 5, out)
      if name == "killed_without" or name == "killed_nothing" then
        assert.are.equal(5, known)
        assert.matches("events.tsv stays as the run left it", out, 1, true)
      else
        assert.is_true(known < 5)
        assert.matches("missing at the end", out, 1, true)
        assert.are.equal(5, pulses(path .. "/events.tsv.replaced"))
        assert.matches("it is kept as " .. path .. "/events.tsv.replaced", out, 1, true)
      end
    end

    it(what .. command, killed and is_recovered or ends)
  end
end)
