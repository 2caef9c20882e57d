-- What verify is told of an experiment, and what it cannot be given: parts beside each other, the clock,
-- modules and data; the system; another version; a flight record that lost something later.
local fixture = require "job"
local recover = require "moonpulse.record.recover"
local resealed = require "resealed"
local shell = require "shell"
local verify = require "moonpulse.verify"

local made = "are what the kept text, seed, parameters and answers make"
local folder

local function record(name, body, more)
  shell.write(("%s/%s.lua"):format(folder, name), 'local mp = require "moonpulse"\n'
    .. "return mp.experiment { name = 'Told', run = function(run)\nlocal stim = run:device()\n" .. body
    .. "\nend }\n")
  local program = shell.absolute
  local status, _, err = shell.sh(folder, ("cd %s && %s run %s.lua --out %s/runs.%s %s"):format(folder,
    program, name, folder, name, more or "--speed max"))
  assert.are.equal(0, status, err)
  return fixture.run_in(folder .. "/runs." .. name)
end

local function look(run)
  local found, differs = assert(verify.folder(run, {})), {}
  for i, each in ipairs(found.differs) do
    differs[i] = ("%s:%s: %s"):format(each.file, each.line or "", each.text)
  end
  return table.concat(differs, "\n"), table.concat(found.unchecked, "\n"), table.concat(found.checked, "\n"),
    found.verdict
end

local function is_whole(run)
  local differs, unchecked, checked = look(run)
  assert.are.equal("", differs)
  assert.are.equal("", unchecked)
  assert.matches(made, checked, 1, true)
end

--- Another intensity in all that tells of it.
local function stronger(run)
  resealed.edit(run, function(entries)
    for _, entry in ipairs(entries) do
      for _, action in ipairs(entry.kind == "play" and entry.actions or { entry.action }) do
        action.mso, action.exact_mso, action.intensity = 58, 58, 58
      end
    end
  end, { ["events.tsv"] = function(text) return (text:gsub("\t50\t50\tMSO", "\t58\t58\tMSO")) end })
end

describe("an experiment that is made again", function()
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("is told the time of each of its parts, and has marks in their place amid a long plan", function()
    local run = record("parts", [[stim:arm()
      run:spawn(function()
        for i = 1, 4 do
          run:sleep(0.25)
          run:mark(("beside %d at %.9f"):format(i, run:now()))
        end
      end)
      local since = run:now()
      while run:now() < since + 0.01 do end
      stim:play(mp.train { pulses = 14, hz = 10, intensity = mp.mso(50) })
      run:mark(("end at %.9f, %s"):format(run:now(), stim:status().enabled))]], "--tolerance 5000")
    is_whole(run)
    local kinds = {}
    for _, entry in ipairs(resealed.journal(run)) do
      kinds[entry.kind .. tostring(entry.part and math.tointeger(entry.part))] = true
    end
    assert.is_true(kinds.read1 and kinds.mark1 and kinds.readnil)
    stronger(run)
    local differs, unchecked = look(run) -- parts excuse another order alone, whichever began first
    assert.matches("journal.jsonl:%d+: set: action.exact_mso is 58, and the kept text", differs)
    assert.matches("events.tsv:%d+: pulse 1: intensity is 58, and the kept text", differs)
    assert.are.equal("", unchecked)
  end)

  --- The first two marks of two parts that follow one another, but for what was read, exchanged.
  local function exchanged(run)
    resealed.edit(run, function(entries)
      local before
      for i, entry in ipairs(entries) do
        if entry.kind == "mark" and before and entries[before].part ~= entry.part then
          entries[before], entries[i] = entry, entries[before]
          return
        elseif entry.kind ~= "read" then
          before = entry.kind == "mark" and i or nil
        end
      end
      error "no such marks"
    end)
  end

  it("of parts side by side may have another order among them, and nothing else", function()
    local run = record("order", [[stim:arm()
      run:spawn(function()
        for i = 1, 3 do
          run:sleep(0.7) -- far from what the other part does
          run:mark("beside " .. i)
          if i == 3 then
            run:sleep(1)
            stim:fire(mp.pulse(mp.mso(30)))
            run:mark "beside, fired"
          end
        end
      end)
      stim:fire(mp.pulse(mp.mso(50)))
      run:mark "alone 1"
      run:mark "alone 2"
      run:sleep(4.5)]], "--tolerance 5000")
    is_whole(run)
    local copy = folder .. "/copy"
    local function edited(...)
      shell.remove(copy)
      shell.copy(run, copy)
      for _, edit in ipairs { ... } do
        edit(copy)
      end
      local differs, unchecked, _, verdict = look(copy)
      return differs, unchecked, verdict
    end
    local function in_part(path)
      resealed.edit(path, function(entries)
        local at = {}
        for i, entry in ipairs(entries) do
          at[entry.text or ""] = i
        end
        local first, second = at["alone 1"], at["alone 2"]
        entries[first], entries[second] = entries[second], entries[first]
      end)
    end
    local function drop(path)
      resealed.edit(path, function(entries)
        for i = #entries, 1, -1 do
          if entries[i].text == "beside, fired" then
            table.remove(entries, i)
          end
        end
      end, { ["events.tsv"] = function(text) return (text:gsub("\n[^\n]*beside, fired[^\n]*", "", 1)) end,
        ["flight.bin"] = function(text) return text end })
    end
    assert.are.equal("whole", (select(3, edited(exchanged))))
    assert.matches("mark: text is alone 2, and the kept text", (edited(in_part)), 1, true)
    assert.are_not.equal("whole", (select(3, edited(in_part, exchanged))))
    assert.matches("action.exact_mso is 58", (edited(stronger, exchanged)), 1, true)
    local differs, unchecked, verdict = edited(drop, exchanged)
    assert.are_not.equal("whole", verdict, differs .. unchecked)
    differs = edited(drop)
    assert.matches('make: {"kind":"mark","part":1,"script":true,"text":"beside, fired"}', differs, 1, true)
  end)

  local before = [[stim:arm()
    for i = 1, 2 do
      stim:fire(mp.pulse(mp.mso(50)))
      run:mark("fired " .. i)
    end
    ]]

  it("is not excused by what only its journal says: a part, a reading that is lost", function()
    local run = record("alone", before, "--tolerance 5000")
    is_whole(run)
    stronger(run)
    for _, line in ipairs { { kind = "read", what = "now", lost = true },
      { kind = "note", text = "beside", part = 1 },
      { kind = "read", what = "now", part = 1, since_ns = {} } } do
      local copy = folder .. "/copy"
      shell.remove(copy)
      shell.copy(run, copy)
      resealed.edit(copy, function(entries) table.insert(entries, 3, line) end)
      local differs, unchecked = look(copy)
      assert.matches("pulse 1: intensity is 58, and the kept text, seed, parameters and answers make 50",
        differs, 1, true)
      assert.are.equal("", unchecked)
    end
  end)

  it("differs where something is otherwise before it had parts, lost a reading or used the system", function()
    for name, after in pairs {
      parts = "run:spawn(function() run:sleep(0.1) run:note 'side' end) run:sleep(0.2)",
      lost = "for _ = 1, 401 do for _ = 1, 500 do run:now() end run:sleep(0.001) end",
      outside = "run:mark('is ' .. os.time())" } do
      -- 200,000 readings are made again for seconds: those with what comes behind them
      local behind = { "stim:fire(mp.pulse(mp.mso(40)))", name ~= "lost" and "" or nil }
      for _, then_what in ipairs(behind) do
        local run = record(name .. #then_what, before .. after .. "\n" .. then_what, "--tolerance 5000")
        local differs = look(run)
        assert.are.equal("", differs, name)
        local copy = folder .. "/copy"
        local function copied()
          shell.remove(copy)
          shell.copy(run, copy)
          return copy
        end
        stronger(copied())
        assert.matches("action.exact_mso is 58", (look(copy)), 1, true, name)
        resealed.edit(copied(), function(entries) -- one mark less
          for i, entry in ipairs(entries) do
            if entry.text == "fired 1" then
              return table.remove(entries, i)
            end
          end
        end, { ["events.tsv"] = function(text) return (text:gsub("\n[^\n]*fired 1[^\n]*", "", 1)) end })
        assert.matches('seed, parameters and answers make {"kind":"mark","script":true,"text":"fired 1"}',
          (look(copy)), 1, true, name)
        resealed.edit(copied(), nil, { ["events.tsv"] = function(text) -- the rows alone
          return (text:gsub("\t50\t50\tMSO", "\t58\t58\tMSO"))
        end })
        assert.matches("pulse 2: intensity is 58, and the kept text, seed, parameters and answers make 50",
          (look(copy)), 1, true, name)
      end
    end
  end)

  it("has the modules that it loaded and the files that it read, as the record keeps them", function()
    shell.write(folder .. "/helper.lua", 'local mp = require "moonpulse"\n'
      .. "return { pulse = function(level) return mp.pulse(mp.mso(level)) end }\n")
    shell.write(folder .. "/levels.txt", "50\n40\n")
    local run = record("loads", [[package.path = "./?.lua;" .. package.path
      local helper = require "helper"
      local file = io.open "levels.txt"
      for line in file:lines() do
        stim:arm()
        stim:fire(helper.pulse(tonumber(line)))
        stim:disarm()
        run:sleep(1)
      end
      file:close()]])
    os.remove(folder .. "/helper.lua")
    os.remove(folder .. "/levels.txt")
    is_whole(run)
    stronger(run)
    assert.matches("journal.jsonl:5: set: action.exact_mso is 58, ", (look(run)), 1, true)
  end)

  it("that uses the system is unchecked by name, and never said to differ for that", function()
    for name, use in pairs { ["os"] = "os.time()", ["io"] = 'io.open("/dev/null", "w")',
      ['require "lfs"'] = 'require("lfs").currentdir()' } do
      local run = record("uses" .. #use, ("local value = %s\nrun:mark('is ' .. tostring(value))\nstim:arm()\n"
        .. "stim:fire(mp.pulse(mp.mso(50)))"):format(use))
      for _ = 1, 2 do
        local differs, unchecked, checked = look(run)
        assert.are.equal("", differs)
        assert.matches("its script uses " .. name .. " (uses", unchecked, 1, true)
        assert.matches("which it is not given here", unchecked, 1, true)
        assert.is_nil(checked:find(made, 1, true))
        stronger(run)
      end
    end
  end)

  it("of another version is told to be that where it comes out otherwise", function()
    local run = record("older", "stim:arm()\nstim:fire(mp.pulse(mp.mso(50)))")
    local function age(text) return (text:gsub('("version"%s*:%s*)"[^"]*"', '%1"0.0.9"')) end
    local function age_journal(entries) entries[1].moonpulse = "0.0.9" end
    resealed.edit(run, age_journal, { ["manifest.json"] = age })
    is_whole(run)
    stronger(run)
    local differs, unchecked, _, verdict = look(run)
    assert.are.equal("", differs)
    assert.are.equal("not all checked", verdict) -- only the record says so
    assert.matches("made by version 0.0.9", unchecked, 1, true)
    assert.matches("; verify it with version 0.0.9", unchecked, 1, true)
    assert.matches("differs: journal.jsonl:%d+: set: action.exact_mso is 58", unchecked)
    resealed.edit(run, nil, { ["manifest.json"] = function(text)
      return (text:gsub('"0.0.9"', '"0.0.8"'))
    end })
    assert.matches("manifest.json:: moonpulse.version is 0.0.8, and 0.0.9 in line 1", (look(run)), 1, true)
  end)

  it("differs where its flight record lost something that nobody told of before", function()
    local run = record("lost", "stim:arm()\nfor i = 1, 3 do stim:fire(mp.pulse(mp.mso(50))) end",
      "--tolerance 5000")
    is_whole(run)
    local path = run .. "/flight.bin"
    local text = shell.read(path)
    local middle = #text - 400 -- among its records
    shell.write(path, text:sub(1, middle) .. ("\0"):rep(64) .. text:sub(middle + 65))
    resealed.edit(run, nil, { ["events.tsv"] = function() return (assert(recover.rows(run, true))) end })
    local differs = look(run)
    assert.matches("flight.bin:: ", differs, 1, true)
  end)

  it("that was killed before it had begun says so, and that nothing was sent", function()
    local words, err = "was killed before it had begun", nil
    local function cut(run, ...)
      for _, name in ipairs { "manifest.json", "SHA256SUMS", "recover.json", ... } do
        os.remove(run .. "/" .. name)
      end
      shell.write(run .. "/events.tsv", shell.read(run .. "/events.tsv"):match "^[^\n]*\n")
      err = select(3, shell.moonpulse(folder, "recover " .. run))
      return err:find(words, 1, true) ~= nil
    end
    assert.is_false(cut(record("armed", "stim:arm()")))
    assert.is_false(cut(record("flight", "stim:arm()", "--tolerance 5000"), "journal.jsonl"))
    local run = record("begun", "run:sleep(0)", "--tolerance 5000")
    assert.is_true(cut(run, "journal.jsonl"))
    for _, command in ipairs { "recover", "verify" } do
      local status
      status, _, err = shell.moonpulse(folder, command .. " " .. run)
      assert.are.equal(2, status)
      assert.matches(words, err, 1, true)
    end
  end)
end)
