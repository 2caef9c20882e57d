--- moonpulse methods: what it says of a run is what the rows say, and what nobody said is asked for.
local cjson = require "cjson"
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

--- Run something in virtual time; its folder.
local function run(arguments, status)
  local out = os.tmpname()
  os.remove(out)
  local code, _, err = shell.moonpulse(folder, ("run %s --speed max --out %s/%s"):format(arguments, folder,
    out:match("[^/]+$")))
  assert(code == (status or 0), ("status %s: %s"):format(code, err))
  return io.popen(("ls -d %s/%s/*"):format(folder, out:match("[^/]+$"))):read("l")
end

local function methods(arguments)
  local status, out, err = shell.moonpulse(folder, "methods " .. arguments)
  assert(status == 0, err)
  return (out:gsub("%s+", " ")), err
end

local function json_of(arguments)
  local _, out = shell.moonpulse(folder, "methods --json " .. arguments)
  return cjson.decode(out)
end

--- The pulses of events.tsv, read here on their own.
local function rows_of(path)
  local list = {}
  for _, row in ipairs((shell.rows(path .. "/events.tsv"))) do
    list[#list + 1] = row.event == "pulse" and row or nil
  end
  return list
end

local function count(rows, wanted)
  local found = 0
  for _, row in ipairs(rows) do
    found = found + (wanted(row) and 1 or 0)
  end
  return found
end

describe("of a run, moonpulse methods", function()
  it("says what was delivered, at which intensity of the device", function()
    local path = run "itbs600 --amt 50 -p trains=2 --participant P07"
    local text = methods(path)
    assert.matches("2 trains, one every 10 s", text, 1, true)
    assert.matches("each at 80 %AMT (40 %MSO)", text, 1, true)
    assert.matches("All 60 planned pulses were delivered, as the stimulator confirmed.", text, 1, true)
    assert.matches("[%(,] on " .. tonumber(os.date("%d")) .. os.date(" %B %Y") .. "%.", text)
    assert.is_nil(text:find("T%d%d:%d%d")) -- a day, as a paper writes it
    assert.is_nil(text:find("s given, it took", 1, true)) -- virtual time is nobody's
    assert.matches("The active motor threshold was 50 %MSO", text, 1, true)
    assert.matches("MagVenture MagPro X100, serial number 66051", text, 1, true)
    assert.matches("It was simulated: nobody was stimulated.", text, 1, true)
    assert.matches("There were no deviations from the plan.", text, 1, true)
    assert.matches("Parameters: blocks = 1, hz = 50, intensity = 80 %AMT, pause = 900, trains = 2.", text,
      1, true)
  end)

  it("names how a run that was stopped differs from its plan, with the counts of its rows", function()
    local path = run("itbs600 --amt 50 -p trains=2 --fault nak@7", 4)
    local rows = rows_of(path)
    local given = count(rows, function(row) return row.onset_sent_us ~= "n/a" end)
    local confirmed = count(rows, function(row) return row.status == "delivered" end)
    assert(given > 0 and given < 60)
    local text = methods(path)
    assert.matches(("Of 60 planned pulses, %d were sent, and the stimulator confirmed the delivery of %d.")
      :format(given, confirmed), text, 1, true)
    assert.matches("This is the plan, of which a part was given.", text, 1, true)
    assert.matches("Deviations. The run did not come to its end: device fault, ", text, 1, true)
    assert.matches("The simulator was asked to go wrong (nak@7).", text, 1, true)
    assert.matches(("%d pulses of the plan were not reached."):format(60 - #rows), text, 1, true)
    assert.is_nil(text:find("no deviations", 1, true))
  end)

  it("gives drawn intervals as the plan's range and as they were delivered", function()
    local path = run "tmseeg_sp --rmt 50 -p pulses=12"
    local rows, shortest, longest = rows_of(path), math.huge, 0
    for i = 2, #rows do
      local apart = tonumber(rows[i].onset) - tonumber(rows[i - 1].onset)
      shortest, longest = math.min(shortest, apart), math.max(longest, apart)
    end
    local mean = (tonumber(rows[#rows].onset) - tonumber(rows[1].onset)) / (#rows - 1)
    local text = methods(path)
    assert.matches("12 trials with one pulse at 120 %RMT (60 %MSO), 6 s to 8 s from onset to onset, drawn "
      .. "from the seed.", text, 1, true)
    local low, high, middle = text:match("As drawn, it was from onset to onset ([%d.]+) s to ([%d.]+) s, "
      .. "([%d.]+) s in the mean")
    for _, pair in ipairs { { low, shortest }, { high, longest }, { middle, mean } } do
      assert(math.abs(tonumber(pair[1]) - pair[2]) <= 0.005 + 1e-9, text) -- as a paper writes it
    end
    assert.is_true(shortest >= 6 and longest <= 8)
  end)

  it("says that the order was drawn, which the plan alone does not tell", function()
    local path = run "io_curve --rmt 50 -p repeats=2 --seed 11"
    assert.matches("Order and intervals are drawn from the seed 11.", methods(path), 1, true)
    path = run "tmseeg_sp --rmt 50 -p pulses=3 --seed 12"
    assert.matches("The intervals are drawn from the seed 12.", methods(path), 1, true)
  end)

  it("tells both intensities and the interval of pairs, and both outputs", function()
    local path = run "sici --rmt 50 -p pairs=3 --device sim:bistim"
    assert.matches("3 pairs, one every 5 s", methods(path), 1, true)
    assert.matches("a conditioning pulse at 80 %RMT (40 %MSO) and 2 ms later a test pulse at 120 %RMT (60 "
      .. "%MSO)",
      methods(path), 1, true)
    path = run("ccpas -p pairs=3 -p first=30%MSO -p second=40%MSO --device sim:stimjim --device-option "
      .. "full_scale_mv=10000 --device-option channels=PMv=0,M1=1")
    assert.matches("each pair: one pulse at 30 %MSO on channel PMv and 8 ms later one pulse at 40 %MSO on "
      .. "channel M1",
      methods(path), 1, true)
  end)

  it("counts pulses and trials by condition, planned and delivered", function()
    local arguments = "paired_pulse_block -p alone=2 -p sici=3 -p icf=0 --rmt 50"
    assert.matches("SICI 6 pulses %(3 trials%)", methods(arguments))
    assert.matches("TS alone 2 pulses %(2 trials%)", methods(arguments))
    local text = methods(run(arguments .. " --device sim:bistim"))
    assert.matches("SICI 6 of 6 pulses %(3 trials%)", text)
    assert.matches("TS alone 2 of 2 pulses %(2 trials%)", text)
    assert.is_nil(methods("itbs600"):find("By condition", 1, true)) -- it names none
  end)

  it("of an experiment that waits for triggers says so, how many it took, and asks what they were", function()
    shell.write(folder .. "/triggers.txt", "2.5 cts rising\n3 cts falling\n4 cts rising\n")
    shell.write(folder .. "/locked.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(50))
        stim:arm(pulse)
        run:wait_trigger { line = "dsr", timeout = 1 } -- none comes
        for _ = 1, 2 do
          stim:fire(pulse, { at = run:wait_trigger { line = "cts", timeout = 20 } + 0.1 })
        end
      end)]])
    local path = run(("%s/locked.lua --triggers %s/triggers.txt"):format(folder, folder))
    assert.matches("The script waited for triggers from outside and took 2, sent by [triggers: state what "
      .. "sent them, and the time from trigger to pulse].", methods(path), 1, true)
    shell.write(folder .. "/ahead.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim, pulse = run:device(), mp.pulse(mp.mso(50))
        stim:arm(pulse)
        stim:on_trigger(pulse, { byte = 5, count = 3, refractory = 1 })
        run:wait_trigger { byte = 6, timeout = 20 }
      end)]])
    shell.write(folder .. "/bytes.txt", "2.5 port 5\n4 port 5\n6 port 5\n8 port 6\n")
    path = run(("%s/ahead.lua --triggers %s/bytes.txt"):format(folder, folder))
    local text = methods(path)
    assert.matches("The script waited for triggers from outside and took 1, sent by [", text, 1, true)
    assert.matches("Triggers from outside started what was given 3 times.", text, 1, true)
    path = run(("itbs600 --amt 50 --start-on byte=5,delay=0.5 --triggers %s/bytes.txt"):format(folder))
    assert.matches("The run was started by a trigger from outside (byte=5,delay=0.5), the plan 500 ms after "
      .. "it, sent by [triggers: state", methods(path), 1, true)
  end)

  it("of an experiment tells what was given, from its rows", function()
    shell.write(folder .. "/answers.txt", ("y\nn\n"):rep(40))
    local path = run("scripts/threshold.lua --answers " .. folder .. "/answers.txt")
    local text, by_level, rows = methods(path), {}, rows_of(path)
    for _, row in ipairs(rows) do
      by_level[row.intensity_mso] = (by_level[row.intensity_mso] or 0) + 1
    end
    assert.matches(("The run gave %d single pulses"):format(#rows), text, 1, true)
    for level, number in pairs(by_level) do
      assert.matches(("%d at %s %%MSO"):format(number, level), text, 1, true)
    end
    local found = cjson.decode(shell.read(path .. "/manifest.json")).experiment.staircases[1]
    assert.matches(("A staircase (1-up-1-down, from 45 %%MSO, steps of 2 to 1 %%MSO, halved at each "
      .. "reversal, %d trials, 6 reversals) gave a threshold of %.4g %%MSO (95 %% interval %.1f to %.1f "
      .. "%%MSO), the mean of the reversals at the smallest step."):format(found.trials, found.threshold,
      found.interval.low, found.interval.high), text, 1, true)
    assert.matches("What counted as a response: [threshold: ", text, 1, true)
    local course = methods("scripts/threshold.lua --answers " .. folder .. "/answers.txt")
    assert.matches("one possible course of the experiment Motor threshold", course, 1, true)
    assert.matches("nothing was given", course, 1, true)
  end)

  it("does not take what its folder has settled", function()
    local path = run "itbs600 --amt 50 -p trains=1"
    for _, option in ipairs { "--rmt 50", "--amt 50", "--seed 2", "--device magventure", "-p trains=3" } do
      local status, _, err = shell.moonpulse(folder, ("methods %s %s"):format(path, option))
      assert.are.equal(2, status)
      assert.matches("a run's folder, which has its own", err, 1, true)
    end
  end)

  it("does not describe a plan that the rows do not follow", function()
    local path = run "itbs600 --amt 50 -p trains=1"
    local text = shell.read(path .. "/events.tsv")
    os.remove(path .. "/events.tsv")
    shell.write(path .. "/events.tsv", (text:gsub("\tpulse\t2\t20000%.000\t", "\tpulse\t2\t25000.000\t", 1)))
    text = methods(path)
    assert.is_nil(text:find("3 pulses, one every 20 ms", 1, true))
    assert.matches("The run gave 1 train of 30 pulses", text, 1, true)
    assert.matches("he rows of events.tsv are not where the kept plan has its pulses", text, 1, true)
  end)
end)

describe("the sessions of a plan", function()
  it("are told as the protocol or its course plans them, else asked for", function()
    shell.write(folder .. "/often.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "Often", sessions = { per_day = 1, days = 5 },
        plan = function() return mp.pulse(mp.mso(40)) end }]])
    assert.matches("The sessions: 1 a day, on 5 days.", methods(folder .. "/often.lua"), 1, true)
    shell.write(folder .. "/course.lua", [[local mp = require "moonpulse"
      return mp.course { name = "Taper", protocol = "./often.lua", phases = {
        { name = "daily", per_day = 2, days = 5 }, { per_day = 1, days = 2, wait_days = 3 } } }]])
    assert.matches("The sessions follow the course Taper: phase 1: daily: 2 a day, on 5 days; phase 2: 1 a "
      .. "day, on 2 days, 3 days after the phase before.", methods(folder .. "/course.lua"), 1, true)
    shell.write(folder .. "/plain.lua", [[local mp = require "moonpulse"
      return mp.protocol { name = "Plain", plan = function() return mp.pulse(mp.mso(40)) end }]])
    assert.matches("Each participant has [sessions: ", methods(folder .. "/plain.lua"), 1, true)
  end)
end)

describe("what is not known", function()
  it("stands in the sentences, and the JSON says what fills it", function()
    local made = json_of "itbs600"
    local keys = {}
    for _, each in ipairs(made.placeholders) do
      keys[each.key or each.text] = each.fill
    end
    for _, key in ipairs { "coil", "waveform", "current_direction", "stimulator", "serial", "firmware",
      "coil_orientation", "coil_location", "threshold_method" } do
      assert.is_string(keys[key], key)
    end
    assert.are.equal("--amt N", keys["[AMT: state it in %MSO]"])
    assert.matches("[coil: state model and size]", (methods "itbs600"), 1, true)
  end)

  it("is filled by --coil and --meta, of a run too; a key that nobody knows is refused", function()
    shell.write(folder .. "/lab.json", [[{"coil_orientation": "45 degrees to the midline",
      "coil": "from the file",
      "waveform": "half sine", "coil_shape": "circular", "amt_method": "5 of 10 above 200 uV in FDI"}]])
    local path = run "itbs600 --amt 50 -p trains=1"
    for _, of in ipairs { "itbs600 --amt 50", path } do
      local text = methods(("%s --coil C-B60 --meta %s/lab.json"):format(of, folder))
      assert.matches("with the coil C-B60 (shape circular)", text, 1, true)
      assert.matches("45 degrees to the midline", text, 1, true)
      assert.matches("The active motor threshold was 50 %MSO (5 of 10 above 200 uV in FDI).", text, 1, true)
      -- what the device says comes first
      assert.matches(of == path and "The waveform was Biphasic, the current direction Normal (in "
        .. "the coil, as the stimulator names it), [current direction: state "
        or "The waveform was half sine,", text, 1, true)
    end
    for _, wrong in ipairs { "[1]", "{", "3", '{"shoe": "left"}' } do
      shell.write(folder .. "/wrong.json", wrong)
      local status, _, err = shell.moonpulse(folder, "methods itbs600 --meta " .. folder .. "/wrong.json")
      assert.are.equal(2, status)
      assert.matches("--meta: ", err, 1, true)
    end
  end)

  it("was said when it was run: the manifest has it", function()
    local path = run("itbs600 --amt 50 -p trains=1 --meta " .. folder .. "/lab.json")
    local text = methods(path)
    assert.matches("with the coil from the file (shape circular)", text, 1, true)
    assert.matches("(5 of 10 above 200 uV in FDI)", text, 1, true)
    assert.matches("commit %x+", text)
    assert.matches("plan file SHA%-256 (%x+)", text)
    assert.are.equal(text:match("plan file SHA%-256 (%x+)"), shell.read(path .. "/resolved.plan")
      :match("sha256 (%x+)\n$"))
  end)
end)

describe("the software sentence", function()
  it("has the commit of the build, or asks for it", function()
    local commit = require("moonpulse.core").commit
    assert.matches(commit ~= "" and "commit " .. commit or "[commit: state the build's]",
      methods "itbs600", 1, true)
  end)

  it("has the SHA-256 that moonpulse compile prints, also of a compiled plan", function()
    local _, out = shell.moonpulse(folder, ("compile itbs600 -p trains=2 -o %s/a.plan"):format(folder))
    local sha256 = out:match("SHA%-256 (%x+)")
    assert.are.equal(sha256, json_of("itbs600 -p trains=2").software.plan_sha256)
    assert.are.equal(sha256, json_of(folder .. "/a.plan").software.plan_sha256)
    assert.are_not.equal(sha256, json_of("itbs600").software.plan_sha256)
  end)

  it("of a sham is behind the sentence that says so, with the active protocol", function()
    local text = methods "sham -p of=hf10_dash"
    assert.matches("It is a sham: the schedule of [^.]*%[hf10_dash%]", text)
    assert.matches("75 trains, one every 15 s", text, 1, true)
    assert.matches("each at 20 %MSO", text, 1, true)
  end)
end)

describe("counts by condition of a run that was ended early", function()
  local function protocol(text)
    shell.write(folder .. "/blocks.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { '
      .. 'name = "Blocks", plan = function()\n' .. text .. " end }")
    return folder .. "/blocks.lua"
  end

  --- The run of a plan of which only the first pulses are there.
  local function cut(path, left)
    local lines = {}
    for line in io.lines(path .. "/events.tsv") do
      if #lines <= left then
        lines[#lines + 1] = line
      end
    end
    os.remove(path .. "/events.tsv")
    shell.write(path .. "/events.tsv", table.concat(lines, "\n") .. "\n")
  end

  local blocks = [[return mp.pulse(mp.mso(40)):label "rest":times(24, { every = 1 }) .. mp.rest(5)
    .. mp.pulse(mp.mso(50)):label "task":times(12, { every = 1 })]]

  it("are of the whole plan: what it never came to is there, with none given", function()
    local path = run(protocol(blocks))
    cut(path, 2)
    assert.matches("By condition: rest 2 of 24 pulses (2 of 24 trials), task 0 of 12 pulses (0 of 12 "
      .. "trials).",
      methods(path), 1, true)
    local made = json_of(path)
    assert.are.same({ name = "task", planned = 12, delivered = 0, confirmed = 0, trials = 12,
      trials_begun = 0 }, made.conditions[2])
    -- without the plan, as of an older folder, the manifest has them
    os.remove(path .. "/resolved.plan")
    os.remove(path .. "/sources/blocks.lua")
    assert.matches("By condition: rest 2 of 24 pulses %(2 of 24 trials%), task 0 of 12 pulses", methods(path))
    assert.matches("rest 2 of 24 pulses", methods(path .. " --checklist chipchase"), 1, true)
  end)

  it("are sorted by name where the order was drawn, whatever the seed", function()
    local text = [[local list = {}
      for i = 1, 9 do
        list[i] = mp.pulse(mp.mso(40)):label(({ "ISI 10 ms", "ISI 2 ms", "alone" })[i % 3 + 1])
      end
      return mp.trials { every = 5, of = mp.shuffle(list) }]]
    protocol(text)
    for seed = 1, 4 do
      local found = methods(folder .. "/blocks.lua --seed " .. seed)
      assert.matches("By condition: alone .-, ISI 2 ms .-, ISI 10 ms ", found)
      local order = {}
      for name in found:match("Pattern%.(.-)Dose%."):gmatch('"(.-)"') do
        order[#order + 1] = name
      end
      assert.are.same({ "alone", "ISI 2 ms", "ISI 10 ms" }, order)
    end
  end)

  it("have the pulses without a label, too, where there is a label", function()
    local text = methods(protocol [[return mp.rest(1)
        .. mp.pulse(mp.mso(40)):label "task":times(2, { every = 1 }) .. mp.rest(5)
        .. mp.pulse(mp.mso(50)):times(3, { every = 1 })]])
    assert.matches("By condition: task 2 pulses (2 trials), pulse (no label) 3 pulses (3 trials).", text, 1,
      true)
  end)
end)
