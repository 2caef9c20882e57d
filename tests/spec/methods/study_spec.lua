--- The methods section of several runs: what is the same once, what differs with its runs, and the sums.
local cjson = require "cjson"
local shell = require "shell"

local folder
setup(function()
  folder = shell.folder()
  for name, arguments in pairs { a = "itbs600 --amt 50 -p trains=2 --participant P07",
    b = "itbs600 --amt 40 -p trains=2 --participant P08", c = "itbs600 --amt 45 -p trains=1" } do
    local status, _, err = shell.moonpulse(folder, ("run %s --speed max --out %s/%s"):format(arguments,
      folder, name))
    assert(status == 0, err)
  end
end)
teardown(function() shell.remove(folder) end)

local function methods(arguments)
  local status, out, err = shell.moonpulse(folder, "methods " .. arguments)
  assert(status == 0, err)
  return (out:gsub("%s+", " "))
end

describe("moonpulse methods of several runs", function()
  it("says once what is the same, with the range of %MSO, and what differs with its run", function()
    local text = methods(("%s/a/* %s/b/*"):format(folder, folder))
    assert.matches("This is of 2 runs of 2 participants (P07, P08), on ", text, 1, true)
    local _, times = text:gsub("2 trains, one every 10 s", "")
    assert.are.equal(1, times)
    assert.matches("each at 80 %AMT (32 to 40 %MSO).", text, 1, true)
    assert.matches("In all runs together: all 120 planned pulses were delivered, as the stimulator "
      .. "confirmed.", text, 1, true)
    assert.matches("In each run: all 60 planned pulses were delivered", text, 1, true)
    assert.matches("The active motor threshold was 40 to 50 %MSO, 45.0 %MSO in the mean of 2 runs.", text, 1,
      true)
    assert.matches("The active motor threshold was 50 %%MSO %([^)]*%) %(run 1%)%.", text)
    assert.matches("The active motor threshold was 40 %%MSO %([^)]*%) %(run 2%)%.", text)
    text = methods(("%s/a/* %s/c/* %s/b/*"):format(folder, folder, folder))
    assert.matches("This is of 3 runs of 2 participants (P07, P08; 1 run without a code)", text, 1, true)
    assert.matches("20 ms (50 Hz), each at 80 %AMT (32 to 40 %MSO) (runs 1, 3).", text, 1, true)
    assert.matches("20 ms (50 Hz), each at 80 %AMT (36 %MSO) (run 2).", text, 1, true)
    assert.matches("In all runs together: all 150 planned pulses", text, 1, true)
  end)

  it("adds what each run of an experiment asked for, also where it goes on with another", function()
    shell.write(folder .. "/asks.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for _ = 1, 6 do
          stim:fire(mp.pulse(mp.mso(40)))
          run:ask "MEP? [y/n]"
        end
      end)]])
    shell.write(folder .. "/two", "y\nn\n")
    shell.write(folder .. "/six", "y\nn\ny\ny\nn\ny\n")
    local status = shell.moonpulse(folder, ("run %s/asks.lua --speed max --answers %s/two --out %s/d"):format(
      folder, folder, folder))
    assert.are_not.equal(0, status)
    local _, out, err = shell.moonpulse(folder, ("resume %s/d/* --answers %s/six --out %s/e"):format(folder,
      folder, folder))
    local given = 0
    for _, name in ipairs { "d", "e" } do
      local path = ("%s/%s/%s/twin.tsv"):format(folder, name, shell.names(folder .. "/" .. name)[1])
      given = given + select(2, shell.read(path):gsub("\tpulse\t", ""))
    end
    local text = methods(("%s/d/* %s/e/*"):format(folder, folder))
    assert.matches(("In all runs together: all %d pulses that the script asked for were delivered"):format(
      given), text, 1, true, out .. err .. text)
  end)

  it("counts once what a run that broke off did not come to and the next one gave", function()
    shell.write(folder .. "/blocks.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        local train = mp.train { pulses = 5, hz = 10, intensity = mp.mso(40) }
        stim:arm(train)
        stim:play(train:times(4, { every = 10 }):label "TR")
        run:sleep(10)
        stim:play(train:times(2, { every = 10 }):label "TR")
      end)]])
    shell.moonpulse(folder, ("run %s/blocks.lua --speed max --fault unplug@10 --out %s/f"):format(folder,
      folder))
    local status, _, err = shell.moonpulse(folder, ("resume %s/f/* --out %s/g"):format(folder, folder))
    assert.are.equal(0, status, err)
    local text = methods(("%s/f/* %s/g/*"):format(folder, folder))
    assert.matches("In all runs together: all 30 pulses that the script asked for were", text, 1, true)
    assert.matches("10 pulses that the script asked for were not reached in it, and run 2 continues it", text,
      1, true)
    assert.matches("TR 10 of 20 pulses (2 of 4 trials)", methods(folder .. "/f/*"), 1, true)
  end)

  it("names a condition once, also where each train of a table is a trial of it", function()
    local rows = { "onset\tintensity\ttrial_type" }
    for i = 0, 29 do
      rows[#rows + 1] = ("%.3f\t110%%RMT\tT15"):format(i // 15 * 20 + i % 15 / 15)
    end
    shell.write(folder .. "/t.tsv", table.concat(rows, "\n") .. "\n")
    shell.write(folder .. "/t.lua", 'return require("moonpulse").from_table("t.tsv", { hz = 15 })\n')
    local _, count = methods(folder .. "/t.lua"):gsub('condition "T15"', "")
    assert.are.equal(1, count)
  end)

  it("as JSON has the same sentences, and each run with its pulses and thresholds", function()
    local of = ("%s/a/* %s/b/* %s/c/*"):format(folder, folder, folder)
    local found = cjson.decode(methods(of .. " --json"))
    local texts, pulses, amt = {}, 0, {}
    for i, each in ipairs(found.sentences) do
      texts[i] = each.text
    end
    for i, run in ipairs(found.runs) do
      pulses, amt[i] = pulses + run.pulses.delivered, run.thresholds[1].value
    end
    local text = methods(of)
    for _, sentence in ipairs(texts) do
      assert.matches(sentence, text, 1, true)
    end
    assert.are.same({ 150, { 50, 40, 45 }, "P07", "P08" }, { pulses, amt, found.runs[1].participant,
      found.runs[2].participant })
    assert.is_nil(found.runs[3].participant)
    assert.are.equal("moonpulse methods", found.what)
  end)

  it("takes runs only, each once, and not as a checklist", function()
    for arguments, why in pairs { ["%s/a/* itbs600"] = "itbs600 is no run's folder",
      ["%s/a/* %s/a/*"] = "is there twice",
      ["%s/a/* %s/b/* --checklist rtms"] = "--checklist is of one run",
      ["%s/a/* %s/b/* --amt 50"] = "--amt is for a protocol" } do
      local status, _, err = shell.moonpulse(folder, "methods " .. arguments:gsub("%%s", folder))
      assert.are.equal(2, status)
      assert.matches(why, err, 1, true)
    end
  end)
end)
