-- Says which generation of the plugin list there is, or raises it.
--
-- KEYS[1]  the generation
-- ARGV[1]  the step by which it is raised, '' where it is not
return generation(KEYS[1], tonumber(ARGV[1]))
