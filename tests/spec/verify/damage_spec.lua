-- What is done to the folder of a run is found, whatever it is: one bit in any file, a line that is taken
-- out, put in, exchanged or cut, a file of another run. MP_VERIFY=10000: so many bits, and a tenth of each of
-- the others.
local damaged = require "damaged"
local made_once = require "made_once"
local shell = require "shell"
local verify = require "moonpulse.verify"

local flips = math.tointeger(tonumber(os.getenv "MP_VERIFY" or "")) or 160
local others = flips // 10
local scripted = flips // 40 -- of these by verify.sh as well

local runs = {
  { name = "magventure", what = "short.lua --speed max --seed 1" },
  { name = "rapid", what = "short.lua --speed max --seed 1 --device sim:rapid" },
  { name = "magstim200", what = "trial.lua --speed max --seed 1 --device sim:magstim200" },
  { name = "real", what = "slow.lua --seed 1 --tolerance 1000" },
}

describe("the folder of a run", function()
  local folder, kept = nil, {}

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/short.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "short", name = "Short", plan = function()
        return mp.mark "start" .. mp.train { pulses = 12, hz = 10, intensity = mp.mso(30) } end }]])
    -- in real time with room between pulses: on a busy computer each comes all the same
    shell.write(folder .. "/slow.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "slow", name = "Slow", plan = function()
        return mp.mark "start" .. mp.train { pulses = 4, hz = 1, intensity = mp.mso(30) } end }]])
    shell.write(folder .. "/trial.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for i = 1, 4 do
          run:sleep(run:uniform(1, 2))
          stim:fire(mp.pulse { intensity = mp.mso(20 + i) })
          run:note("trial " .. i)
        end
      end)]])
    local commands = {}
    for i, run in ipairs(runs) do
      commands[i] = ("cd %s && %s run %s --operator AB --beyond-guidelines test --approval none --out %s")
        :format(folder, shell.absolute,
        run.what, run.name)
    end
    for i, result in ipairs(shell.together(folder, commands)) do
      assert.are.equal(0, result.status, result.err)
      local path = ("%s/%s/%s"):format(folder, runs[i].name, shell.names(folder .. "/" .. runs[i].name)[1])
      local texts, names = damaged.read(path)
      kept[i] = { folder = path, texts = texts, names = names, name = runs[i].name }
    end
  end)

  teardown(function()
    shell.remove(folder)
  end)

  --- The verdict of both: moonpulse verify and, where it is asked for, verify.sh of another run.
  local function is_whole(each, by_script)
    local found = assert(verify.folder(each.folder, {}))
    if by_script then
      local script = each == kept[1] and kept[2] or kept[1]
      local status, out = shell.sh(folder, ("sh %s/verify.sh %s"):format(script.folder, each.folder))
      assert.are.equal(found.whole and 0 or 1, status, out)
    end
    return found.whole, found
  end

  it("is whole as the run left it", function()
    for _, each in ipairs(kept) do
      local whole, found = is_whole(each, true)
      assert.is_true(whole, each.name)
      assert.is_true(#found.checked >= 3, each.name .. ": " .. table.concat(found.checked, "; "))
    end
  end)

  describe("that was damaged", function()
    made_once.inside()

    for _, way in ipairs { "flip", "delete", "insert", "swap", "truncate" } do
      it("is not whole after one " .. way, function()
        local done, seed, wanted = 0, 0, way == "flip" and flips or others
        while done < wanted do
          seed = seed + 1
          local each = kept[seed % #kept + 1]
          local was_done = damaged.with(each, way, seed, function(name)
            local ok, whole, found = pcall(is_whole, each, done % (wanted // math.max(1, scripted) + 1) == 0)
            local what = ("%s: seed %d of %s, %s"):format(each.name, seed, way, name)
            assert.is_true(ok, what .. ": " .. tostring(whole))
            assert.is_false(whole, what .. ": not found")
            assert.is_true(found.differs[1] ~= nil)
          end)
          done = done + (was_done and 1 or 0)
        end
      end)
    end

    it("is not whole with a file of another run, nor with one more, nor with one less", function()
      for i, each in ipairs(kept) do
        local other = kept[i % #kept + 1]
        for _, name in ipairs(each.names) do
          local text = other.texts[name]
          if text and text ~= each.texts[name] then
            shell.write(each.folder .. "/" .. name, text)
            assert.is_false(is_whole(each, i == 1), each.name .. ": another " .. name)
          end
          os.remove(each.folder .. "/" .. name)
          assert.is_false(is_whole(each, i == 1), each.name .. ": without " .. name)
          shell.write(each.folder .. "/" .. name, each.texts[name])
        end
        shell.write(each.folder .. "/more", "x")
        assert.is_false(is_whole(each, true), each.name .. ": one more")
        os.remove(each.folder .. "/more")
        assert.is_true(is_whole(each), each.name)
      end
    end)
  end)
end)
